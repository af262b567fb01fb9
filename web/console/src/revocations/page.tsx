import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { countOf } from "../api/pages";
import { Chip } from "../ui/chip";
import { Failure, Loading } from "../ui/failure";
import { Fresh } from "../ui/fresh";
import { Head } from "../ui/head";
import { LiveBadge } from "../ui/live";
import { SearchField } from "../ui/search";
import split from "../ui/split.module.css";
import ui from "../ui/ui.module.css";
import { isFiltered, readAgain, useRevocations } from "./list";
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
  const { list, status, error, retry, rows, total, totalIsMinimum, fresh, showFresh } = useRevocations(search);
  const [revoking, setRevoking] = useState(false);
  const opened = rows.find(({ revocationId }) => revocationId === search.selected);
  const open = (selected: string | undefined) => void navigate({ search: { ...search, selected }, replace: search.selected !== undefined });
  const filter = (part: Partial<typeof search>) => void navigate({ search: { ...search, selected: undefined, ...part }, replace: true });

  return (
    <div className={split.page}>
      <Head title="Revocations">
        <LiveBadge status={status} />
        {list.data && (
          <span className={ui.quiet} role="status">
            {list.isPlaceholderData ? "Searching…" : countOf(total, totalIsMinimum, "revocation", "revocations")}
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
        <Chip name="Issuer" value={search.issuer} onRemove={() => filter({ issuer: undefined })} />
        <Chip name="By" value={search.by} onRemove={() => filter({ by: undefined })} />
        <div className={split.tools}>
          <button type="button" className={ui.danger} onClick={() => setRevoking(true)}>
            Revoke…
          </button>
        </div>
      </div>
      {error && <Failure error={error} retry={retry} />}
      <Fresh count={fresh.count} more={fresh.more} onShow={showFresh} />
      {list.data === undefined ? (
        !error && <Loading />
      ) : rows.length === 0 && !list.hasNextPage ? (
        <p className={ui.empty}>
          {isFiltered(search) ? "No revocation matches." : "Nothing is revoked. Revocations that have ended are removed with a delay."}
        </p>
      ) : (
        <div className={split.columns}>
          <RevocationTable revocations={rows} open={search.selected} onOpen={open} list={list} />
          {opened && <RevocationPanel revocation={opened} onClose={() => open(undefined)} />}
        </div>
      )}
      {revoking && <Revoke onRevoked={() => void readAgain(queries)} onClose={() => setRevoking(false)} />}
    </div>
  );
}
