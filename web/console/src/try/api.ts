import { createFileRegistry, createRegistry, type DescService, fromBinary, type Registry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Backend, GetBackendSchemaResponse } from "@ostiary/client/gen/ostiary/access/v1/access_pb";
import { useQuery } from "@tanstack/react-query";
import { useSignedIn } from "../auth/signedin";
import { services } from "./schema";

/** The API of a server that the page calls: of this one, or of a backend. */
export interface Api {
  /** The name of the backend; empty for this server. */
  backend: string;
  /** Where it is, without a slash at the end. */
  url: string;
  services: DescService[];
  /** The types of the API, which messages within google.protobuf.Any need. */
  registry: Registry;
  /** Of a backend, an encoded google.protobuf.FileDescriptorSet. */
  schema?: Uint8Array<ArrayBuffer>;
}

export function ownApi(): Api {
  return { backend: "", url: location.origin, services, registry: createRegistry(...services) };
}

/** Reads the schema of a backend. Its author may have put anything into it: what cannot be used throws. */
export function apiOf({ name, url }: { name: string; url: string }, { fileDescriptorSet, services }: GetBackendSchemaResponse): Api {
  const schema = new Uint8Array(fileDescriptorSet);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, schema));
  return { backend: name, url, services: services.flatMap((service) => registry.getService(service) ?? []), registry, schema };
}

/** The backends that browsers can call. */
export function useBackends(): { backends: Backend[]; isPending: boolean; error: Error | null } {
  const { access } = useSignedIn();
  const { data, isPending, error } = useQuery({ queryKey: ["backends"], queryFn: ({ signal }) => access.listBackends({}, { signal }) });
  return { backends: data?.backends.filter(({ url }) => url !== "") ?? [], isPending, error };
}

/** The API of this server, or of a backend whose schema the server knows. */
export function useApi(backend: Backend | undefined): { api: Api | undefined; error: Error | null } {
  const { access } = useSignedIn();
  const { data, error } = useQuery({
    queryKey: ["backends", backend?.name, backend?.url, backend?.schemaDigest],
    queryFn: async ({ signal }) => (backend === undefined ? ownApi() : apiOf(backend, await access.getBackendSchema({ name: backend.name }, { signal }))),
    enabled: backend === undefined || backend.schemaDigest !== "",
    structuralSharing: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return { api: data, error };
}
