import type { NextConfig } from "next";

process.env.NEXT_TELEMETRY_DISABLED = "1";

const config: NextConfig = {
  output: "standalone", // what the Dockerfile copies
  turbopack: { root: import.meta.dirname },
};

export default config;
