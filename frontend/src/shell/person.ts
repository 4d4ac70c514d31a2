// Who works at this screen. A name that a person types, until the city knows identities.

import { ask } from "../dialog";
import { h } from "../dom";
import type { Speech } from "../words";

const KEY = "cityloop.person";

/** Empty while nobody has given a name. */
export function personName(): string {
  return localStorage.getItem(KEY) ?? "";
}

/** Ask who is on duty; false when the person did not say. */
export async function askPerson(speech: Speech): Promise<boolean> {
  const { words } = speech;
  const field = h("input", {
    name: "person",
    required: true,
    maxlength: 80,
    pattern: ".*\\S.*",
    autocomplete: "name",
    value: personName(),
  });
  const said = await ask(speech, {
    title: words.personTitle,
    help: words.personHelp,
    fields: [h("label", {}, words.personName, field)],
    yes: words.personYes,
  });
  if (said) localStorage.setItem(KEY, field.value.trim());
  return said;
}
