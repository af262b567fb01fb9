import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  resolve: { conditions: ["ostiary-source", "module", "browser"] },
  build: {
    target: "es2022",
    // The Content-Security-Policy allows no inline script and no data: URL.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    license: { fileName: "licenses.md" }, // of the packages in the pages
  },
  // `npx vite` serves the page while one works on it, and `make dev` the rest.
  server: { proxy: Object.fromEntries(["/ostiary.", "/dev/", "/console/"].map((path) => [path, "http://localhost:8080"])) },
});
