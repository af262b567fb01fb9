import { describe, expect, test } from "vitest";
import { Server } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

const directory = process.env["SCREENSHOTS"];

// Takes the pictures of the documentation: `npm run screenshots`.
describe.skipIf(directory === undefined)("the screenshots", () => {
  const stage = staged(() => Server.start("--operator-subjects", "user_ada"));

  test.each([
    ["", "light", { width: 1440, height: 900 }],
    ["-narrow", "dark", { width: 380, height: 760 }],
  ] as const)("of every page%s", async (suffix, colorScheme, size) => {
    for (let i = 0; i < 24; i++) {
      await stage.server.call("ben", { sid: `sess_2ZqWGQY8Fj4Wc3hGJ1k${suffix}${i}`, sub: `user_${["ben", "dora", "emil", "fred", "gina"][i % 5]}` });
    }
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
    await ada.page.getByRole("link", { name: "Decisions" }).waitFor();
    await shoot("me");
    await ada.go("Sessions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    await shoot("sessions");
    await ada.row(`sess_lost${suffix}`).getByRole("button").first().click();
    await ada.details.waitFor();
    await shoot("session");
    await ada.page.keyboard.press("Escape");
    await ada.go("Decisions");
    await ada.page.getByText("live", { exact: true }).waitFor();
    for (let i = 0; i < 12; i++) {
      const method = ["identity.v1.IdentityService/WhoAmI", "revocation.v1.RevocationService/ListRevocations"][i % 2];
      await stage.server.call("ben", i % 6 === 4 ? { exp: 1 } : {}, method).catch(() => {});
    }
    await ada.page
      .getByRole("row", { name: /refused/ })
      .first()
      .waitFor();
    await shoot("decisions");
    await ada.page
      .getByRole("row", { name: /PERMISSION_REQUIRED/ })
      .first()
      .getByRole("button")
      .click();
    await ada.details.waitFor();
    await shoot("decision");
    await ada.page.keyboard.press("Escape");
    await ada.go("Revocations");
    await ada.page.getByRole("row", { name: "the laptop was lost" }).first().waitFor();
    await shoot("revocations");
    await ada.go("Health");
    await ada.page.getByRole("heading", { name: "No problems" }).waitFor();
    await shoot("health");
    await ada.go("Access");
    await shoot("access");
    await ada.go("Token");
    await ada.page.getByLabel("Token", { exact: true }).fill(`Bearer ${await stage.server.token("ben")}`);
    await ada.page.getByRole("button", { name: "Check with this server" }).click();
    await ada.page.getByText("accepted").waitFor();
    await shoot("token");
    await ada.go("Try");
    await ada.page.getByRole("button", { name: "Send" }).click();
    await ada.page.getByText('"subject": "user_ada"').waitFor();
    await shoot("try");
    await ada.page.keyboard.press("Control+k");
    await ada.page.getByRole("combobox", { name: /^Find/ }).waitFor();
    await shoot("find");
    await ada.close();
  });
});
