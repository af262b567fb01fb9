import { lazyRouteComponent } from "@tanstack/react-router";

/** The script of a page could not be loaded, or has failed while it was. */
export class PageNotLoaded extends Error {
  override name = "PageNotLoaded";
}

/** A page whose script is loaded when the page is opened. */
export const lazyPage: typeof lazyRouteComponent = (load, name) =>
  lazyRouteComponent(
    () =>
      load().catch((cause: unknown) => {
        throw new PageNotLoaded("the script of this page could not be loaded", { cause });
      }),
    name,
  );
