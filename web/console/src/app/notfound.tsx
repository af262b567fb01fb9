import { Link, useLocation } from "@tanstack/react-router";
import { Head } from "../ui/head";
import { Id } from "../ui/names";
import ui from "../ui/ui.module.css";

export function NotFound() {
  const { pathname } = useLocation();
  return (
    <div className={ui.page}>
      <Head title="No such page">
        <p className={ui.quiet}>
          There is nothing at <Id>{pathname}</Id>. The address may be mistyped, or from another version of this console.
        </p>
      </Head>
      <p>
        <Link className={ui.linkButton} to="/">
          Go to the first page
        </Link>
      </p>
    </div>
  );
}
