import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { countOf } from "../api/pages";
import { Failure, Loading } from "../ui/failure";
import { Head } from "../ui/head";
import { SearchField } from "../ui/search";
import split from "../ui/split.module.css";
import ui from "../ui/ui.module.css";
import { readAgain, useRevocations } from "./list";
import { RevocationPanel } from "./panel";
import { Revoke } from "./revoke";
import { RevocationTable } from "./table";
import { type Kind, kinds } from "./target";

const route = getRouteApi("/revocations");

/** What is revoked, by whom and why, for operators; and a form to revoke more. */
export function Revocations() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const queries = useQueryClient();
  const { list, all } = useRevocations(search);
  const [revoking, setRevoking] = useState(false);
  const [first] = list.data?.pages ?? [];
  const opened = all.find(({ revocationId }) => revocationId === search.selected);
  const open = (selected: string | undefined) => void navigate({ search: { ...search, selected }, replace: search.selected !== undefined });
  const filter = (part: Partial<typeof search>) => void navigate({ search: { ...search, selected: undefined, ...part }, replace: true });
  const filtered = search.q !== undefined || search.kind !== undefined;

  return (
    <div className={split.page}>
      <Head title="Revocations">
        {first && (
          <span className={ui.quiet} role="status">
            {list.isPlaceholderData ? "Searching…" : countOf(first.totalCount, first.totalCountIsMinimum, "revocation", "revocations")}
          </span>
        )}
      </Head>
      <div className={split.filters} role="search">
        <SearchField
          label="Search by name, cause or who has revoked"
          placeholder="Name, cause or by whom"
          value={search.q ?? ""}
          onSearch={(text) => filter({ q: text || undefined })}
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
      ) : all.length === 0 && !list.hasNextPage ? (
        <p className={ui.empty}>{filtered ? "No revocation matches." : "Nothing is revoked. Revocations that have ended are removed with a delay."}</p>
      ) : (
        <div className={split.columns}>
          <RevocationTable
            revocations={all}
            open={search.selected}
            onOpen={open}
            more={list.hasNextPage && !list.isFetching ? () => void list.fetchNextPage() : undefined}
          />
          {opened && <RevocationPanel revocation={opened} onClose={() => open(undefined)} />}
        </div>
      )}
      {revoking && <Revoke onRevoked={() => void readAgain(queries)} onClose={() => setRevoking(false)} />}
    </div>
  );
}
