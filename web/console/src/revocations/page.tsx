import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { Failure, Loading } from "../ui/failure";
import { Head } from "../ui/head";
import split from "../ui/split.module.css";
import ui from "../ui/ui.module.css";
import { addRevocations, useRevocations } from "./list";
import { RevocationPanel } from "./panel";
import { Revoke } from "./revoke";
import { RevocationTable } from "./table";
import { type Kind, kinds, matches } from "./target";

const route = getRouteApi("/revocations");

/** What is revoked, by whom and why, for operators; and a form to revoke more. */
export function Revocations() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const { list, all } = useRevocations();
  const [revoking, setRevoking] = useState(false);
  const shown = all.filter((revocation) => matches(revocation, search));
  const opened = shown.find(({ revocationId }) => revocationId === search.selected);
  const open = (selected: string | undefined) => void navigate({ search: { ...search, selected }, replace: search.selected !== undefined });
  const filter = (part: Partial<typeof search>) => void navigate({ search: { ...search, selected: undefined, ...part }, replace: true });
  const filtered = search.q !== undefined || search.kind !== undefined;

  return (
    <div className={split.page}>
      <Head title="Revocations">
        {list.data && (
          <span className={ui.quiet} role="status">
            {filtered ? `${shown.length.toLocaleString()} of ${all.length.toLocaleString()}` : all.length.toLocaleString()}
            {list.isFetching && ", reading more…"}
          </span>
        )}
      </Head>
      <div className={split.filters} role="search">
        <input
          type="search"
          aria-label="Search by name, cause or who has revoked"
          placeholder="Name, cause or by whom"
          spellCheck={false}
          value={search.q ?? ""}
          onChange={(event) => filter({ q: event.target.value || undefined })}
        />
        <select aria-label="Kind" value={search.kind ?? ""} onChange={(event) => filter({ kind: (event.target.value as Kind) || undefined })}>
          <option value="">Any kind</option>
          {Object.entries(kinds).map(([kind, name]) => (
            <option key={kind} value={kind}>
              {name}
            </option>
          ))}
        </select>
        <div className={split.tools}>
          <button type="button" disabled={list.isFetching} onClick={() => void list.refetch()}>
            Reload
          </button>
          <button type="button" className={ui.danger} onClick={() => setRevoking(true)}>
            Revoke…
          </button>
        </div>
      </div>
      {list.error && <Failure error={list.error} retry={() => void list.refetch()} />}
      {list.data === undefined ? (
        !list.error && <Loading />
      ) : shown.length === 0 ? (
        <p className={ui.empty}>{filtered ? "No revocation matches." : "Nothing is revoked. Revocations that have ended are removed with a delay."}</p>
      ) : (
        <div className={split.columns}>
          <RevocationTable revocations={shown} open={search.selected} onOpen={open} />
          {opened && <RevocationPanel revocation={opened} onClose={() => open(undefined)} />}
        </div>
      )}
      {revoking && <Revoke onRevoked={(made) => addRevocations(queries, made)} onClose={() => setRevoking(false)} />}
    </div>
  );
}
