import { defineConfig } from "vite";

const city = "http://127.0.0.1:8001";

export default defineConfig({
  build: {
    // The page travels inside the Python package and is served from there.
    outDir: "../src/cityloop/web/static",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy of the server lets no inline data: script or font pass.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // `npm run dev` beside `python -m tests.web.replay`.
  server: { proxy: { "/api": { target: city, changeOrigin: true }, "/health": city } },
});
