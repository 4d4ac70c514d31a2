// What the shell gives to the parts it mounts: the city's news, words, and the way to act.

import type { Dispose, Store } from "./store";
import type { Speech } from "./words";

export type { Dispose } from "./store";
export type Theme = "light" | "dark";

export interface Context {
  readonly store: Store;
  readonly speech: Speech;
  /** Junctions' short names by id. */
  readonly names: Map<string, string>;
  /** Waits for a command and tells the person why when it was not taken. */
  readonly command: (work: Promise<void>) => Promise<void>;
  /** Chooses a junction by its id, or none. `store.chosen` tells which is. */
  readonly choose: (id: string | null) => void;
  /** The name the person at this screen works under; empty when not given yet. */
  readonly operator: () => string;
  readonly theme: () => Theme;
  readonly onTheme: (changed: () => void) => Dispose;
  /** After each piece of news, at most once a frame, and once a second. */
  readonly onChange: (changed: () => void) => Dispose;
}
