import { describe, expect, test } from "vitest";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

const directory = process.env["SCREENSHOTS"];

// Takes the pictures of the documentation: `npm run screenshots`.
describe.skipIf(directory === undefined)("the screenshots", () => {
  const stage = staged();

  test.each([
    ["", "light", { width: 1000, height: 800 }],
    ["-narrow", "dark", { width: 380, height: 760 }],
  ] as const)("of every page%s", async (suffix, colorScheme, size) => {
    const ben = await Window.open(stage.browser, stage.server.url);
    await ben.signIn("ben");
    await stage.server.call("ben", { sid: `sess_lost${suffix}` });
    await stage.server.revoke("ada", `sess_lost${suffix}`, "user_ben", "the laptop was lost");
    await stage.server.call("ben", { sid: `sess_support${suffix}`, act: { sub: "user_support", iss: stage.server.url } });
    const ada = await Window.open(stage.browser, stage.server.url, size);
    const shoot = async (name: string) => {
      await expect.poll(() => ada.page.getByText("Loading…").count()).toBe(0);
      await ada.page.screenshot({ path: `${directory}/${name}${suffix}.png` });
    };
    await ada.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await ada.page.getByRole("button", { name: "Sign in as robo" }).waitFor();
    await shoot("sign-in");
    await ada.signIn("ada");
    await ada.page.getByText("org:invoices:read").waitFor();
    await shoot("me");
    await ada.go("Sessions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await shoot("sessions");
    await ada.go("Access");
    await shoot("access");
    await ada.go("Try");
    await ada.page.getByRole("button", { name: "Send" }).click();
    await ada.page.getByText('"subject": "user_ada"').waitFor();
    await shoot("try");
    await ada.close();
    await ben.close();
  });
});
