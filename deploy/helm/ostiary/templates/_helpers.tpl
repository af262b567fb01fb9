{{- define "ostiary.selector" -}}
app.kubernetes.io/name: ostiary
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ostiary.labels" -}}
{{ include "ostiary.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
{{- end }}

{{/* Where the server keeps what it must not lose: sqlite, postgresql, or hub for a relay, which keeps nothing. */}}
{{- define "ostiary.database" -}}
{{ if .Values.settings.follow }}hub{{ else if .Values.postgresql.secret }}postgresql{{ else }}sqlite{{ end }}
{{- end }}

{{/* The server's file of settings. */}}
{{- define "ostiary.settings" -}}
{{- $settings := dict "admin_addr" ":9464" "drain_delay" (printf "%ds" (int .Values.drainSeconds)) "shutdown_timeout" (printf "%ds" (int .Values.shutdownSeconds)) }}
{{- if .Values.tls.secret }}
{{- $settings = merge $settings (dict "tls_cert" "/etc/ostiary-tls/tls.crt" "tls_key" "/etc/ostiary-tls/tls.key") }}
{{- end }}
{{- toYaml (merge $settings .Values.settings) }}
{{- end }}
