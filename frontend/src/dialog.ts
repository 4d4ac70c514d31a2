// Questions before something that matters, and answers when it was not taken.

import { ApiError } from "./client";
import { button, h } from "./dom";
import { failure } from "./parts/failure";
import type { Speech } from "./words";

export interface Question {
  title: string;
  help: string;
  fields: HTMLElement[];
  yes: string;
  danger?: boolean;
}

/** Ask in a modal dialog; true when the person said yes. Escape and the backdrop's key say no. */
export function ask(speech: Speech, question: Question): Promise<boolean> {
  const yes = h("button", { type: "submit", value: "yes", class: question.danger ? "danger" : "strong" }, question.yes);
  // Not a submit button: Enter in a field must mean the yes beside it.
  const no = h("button", { type: "button" }, speech.words.cancel);
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", {}, question.title),
    h("p", {}, question.help),
    ...question.fields,
    h("div", { class: "buttons" }, no, yes),
  );
  const dialog = h("dialog", { "aria-label": question.title }, form);
  no.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** Where refusals and failures of commands are told, until dismissed. */
export class Notices {
  readonly element = h("div", { class: "notices", role: "alert" });

  constructor(private readonly speech: Speech) {}

  /** Waits for a command; tells why when it was not taken. */
  readonly command = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
      this.element.replaceChildren();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.tell(error);
    }
  };

  private tell(error: ApiError): void {
    const { words } = this.speech;
    const [what, advice] = failure(error, words);
    const notice = h(
      "div",
      { class: "notice" },
      h("p", {}, h("strong", {}, what), " ", advice),
    );
    notice.append(button(words.dismiss, () => notice.remove()));
    this.element.replaceChildren(notice);
  }
}
