// Acting in the name of the person on duty, who is asked for where nobody has said.

import { writeShiftLog } from "../calls/alarms";
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

/** Does it as the person on duty, and writes into the shift log what was done: the broker's API keeps
 * no names. What was refused is raised; false where nobody says who they are and nothing is done. */
export async function noted(context: Context, act: () => Promise<void>, text: string): Promise<boolean> {
  if (context.operator() === "" && !(await askPerson(context.speech))) return false;
  await act();
  await writeShiftLog(context.operator(), "note", text);
  return true;
}
