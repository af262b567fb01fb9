import { useQuery } from "@tanstack/react-query";
import { useSignedIn } from "../auth/signedin";

/** How often the status is read while the window is visible, in milliseconds. */
export const refreshInterval = 10_000;

/** How the server is. It is read again and again while the window is visible. */
export function useStatus() {
  const { status } = useSignedIn();
  return useQuery({
    queryKey: ["status"],
    queryFn: async ({ signal }) => (await status.getStatus({}, { signal })).status,
    refetchInterval: refreshInterval,
  });
}

/** The name of a value of an enum, in words; what this version of the console does not know is "unknown". */
export function words(of: Record<number, string>, value: number): string {
  const name = value === 0 ? undefined : of[value];
  return name?.toLowerCase().replaceAll("_", " ") ?? "unknown";
}

/** A number of bytes, for people. */
export function inBytes(bytes: bigint): string {
  const mebibytes = Number(bytes) / 2 ** 20;
  return mebibytes >= 1024
    ? `${(mebibytes / 1024).toLocaleString(undefined, { maximumFractionDigits: 1 })} GiB`
    : `${Math.floor(mebibytes).toLocaleString()} MiB`;
}

/** A length of time, for people. */
export function inTime(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  return seconds < 60 ? `${seconds.toLocaleString(undefined, { maximumFractionDigits: 1 })} s` : `${Math.round(seconds / 60).toLocaleString()} min`;
}
