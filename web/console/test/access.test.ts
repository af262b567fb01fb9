import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, setExtension, toBinary } from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { file_ostiary_policy_v1_policy, RuleSchema, rule } from "@ostiary/client/gen/ostiary/policy/v1/policy_pb";
import { afterAll, describe, expect, test } from "vitest";
import { withoutChromium } from "../../testing/browser.js";
import { Server } from "../../testing/server.js";
import { staged } from "../../testing/stage.js";
import { Window } from "./window.js";

/** An image of a schema with a service whose method needs a permission. */
function imageOf(service: string, permission: string): Uint8Array {
  const options = create(MethodOptionsSchema);
  setExtension(options, rule, create(RuleSchema, { access: { case: "require", value: { allPermissions: [permission] } } }));
  const file = create(FileDescriptorProtoSchema, {
    name: "acme/note/v1/note.proto",
    package: "acme.note.v1",
    syntax: "proto3",
    dependency: ["ostiary/policy/v1/policy.proto"],
    messageType: [create(DescriptorProtoSchema, { name: "Note" })],
    service: [{ name: service, method: [{ name: "DeleteNote", inputType: ".acme.note.v1.Note", outputType: ".acme.note.v1.Note", options }] }],
  });
  const imports = [file_google_protobuf_descriptor, file_google_protobuf_duration, file_ostiary_policy_v1_policy].map(({ proto }) => proto);
  return toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [...imports, file] }));
}

describe.skipIf(withoutChromium)("the page of access", () => {
  const directory = mkdtempSync(join(tmpdir(), "ostiary-image-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const image = join(directory, "note.binpb");
  writeFileSync(image, imageOf("NoteService", "org:invoices:delete"));
  const stage = staged(() => Server.start("--backends", `notes=${image}`));

  test.each([
    ["ada", "may call"],
    ["cleo", "may not"],
  ])("shows %s the rules of other services, by their schemas", async (persona, verdict) => {
    const window = await Window.open(stage.browser, `${stage.server.url}/access?q=note`);
    await window.signIn(persona);
    const backend = window.page.getByRole("region", { name: "The backend notes" });
    await backend.getByText("By its schema").waitFor();
    const service = backend.getByRole("region", { name: "acme.note.v1.NoteService of notes" });
    await service
      .getByRole("row", { name: /^DeleteNote/ })
      .getByText(verdict, { exact: true })
      .waitFor();
    await service.getByRole("link").waitFor({ state: "detached" }); // it cannot be tried here
    await window.close();
  });

  test("shows a rule as it is in the schema, and what each persona may call", async () => {
    const ada = await Window.open(stage.browser, `${stage.server.url}/access?q=note`, { width: 1440, height: 900 });
    await ada.signIn("ada");
    const service = ada.page.getByRole("region", { name: "acme.note.v1.NoteService of notes", exact: true });
    await service
      .getByRole("row", { name: /^DeleteNote/ })
      .getByText("org:invoices:delete")
      .first()
      .click();
    expect(await service.getByLabel("The rule in a .proto file").innerText()).toBe(
      'option (ostiary.policy.v1.rule) = {\n  require: {\n    all_permissions: "org:invoices:delete"\n  }\n};',
    );
    await service.getByText("On the method in its schema.").waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.getByLabel("Compare the personas").check();
    const table = service.getByRole("table");
    await expect.poll(() => table.getByText(/^(yes|no|depends)$/).count()).toBe(5);
    const cell = async (persona: string) => {
      const names = await table.getByRole("columnheader").allInnerTexts();
      return table
        .getByRole("row", { name: /^DeleteNote/ })
        .getByRole("cell")
        .nth(names.indexOf(persona) - 1)
        .innerText();
    };
    await expect.poll(() => cell("ada")).toBe("yes");
    await expect.poll(() => cell("cleo")).toBe("no");
    await ada.page.getByRole("searchbox").fill("ListMethodRules");
    await ada.page.getByRole("row", { name: /^ListMethodRules yes/ }).waitFor();
    expect(await ada.barriers()).toEqual([]);
    await ada.page.setViewportSize({ width: 380, height: 700 });
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
    expect(await ada.barriers()).toEqual([]);
    await ada.close();
  });
});
