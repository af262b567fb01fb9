{{- define "ostiary.selector" -}}
app.kubernetes.io/name: ostiary
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ostiary.labels" -}}
{{ include "ostiary.selector" . }}
app.kubernetes.io/version: {{ regexReplaceAll "@.*" .Values.image.tag "" | default .Chart.AppVersion | quote }}
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

{{/* Fails where one of the values, at any depth, is a secret: a ConfigMap and a Deployment are no place for it. */}}
{{- define "ostiary.refuseSecrets" -}}
{{- range $key, $value := .values }}
{{- $path := printf "%s.%v" $.path $key }}
{{- if regexMatch "(?i)^(database_url|secret_key|(.*_)?secrets?|.*_secret_key|.*password)$" (toString $key) }}
{{- fail (printf "%s is a secret: put it into a Secret, which postgresql.secret or secrets names, or extraVolumes mounts as a file" $path) }}
{{- else if or (kindIs "map" $value) (kindIs "slice" $value) }}
{{- include "ostiary.refuseSecrets" (dict "path" $path "values" $value) }}
{{- end }}
{{- end }}
{{- end }}
