// Acting in the name of the person on duty, who is asked for where nobody has said.

import type { Context } from "../context";
import { askPerson } from "./person";

/** True when the act was done; what the city refused is told by `command`. */
export async function actAs(context: Context, act: (by: string) => Promise<void>): Promise<boolean> {
  const { operator, speech, command } = context;
  if (operator() === "" && !(await askPerson(speech))) return false;
  let done = false;
  const work = act(operator()).then(() => {
    done = true;
  });
  await command(work);
  return done;
}
