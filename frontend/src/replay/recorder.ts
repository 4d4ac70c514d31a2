// Reads past moments as fast as the city answers: of those asked for meanwhile, only the newest.

import { readMoment } from "../api";
import type { Moment } from "../shapes";

/** A second (since 1970) of a run. */
export interface Asked {
  readonly run: string;
  readonly at: number;
}

export class Recorder {
  private wanted: Asked | null = null;
  private reading = false;

  constructor(
    private readonly took: (moment: Moment) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  ask(asked: Asked): void {
    this.wanted = asked;
    if (!this.reading) void this.read();
  }

  /** What is under way is not wanted any more. */
  forget(): void {
    this.wanted = null;
  }

  private async read(): Promise<void> {
    this.reading = true;
    try {
      for (let asked = this.wanted; asked !== null; asked = this.next(asked)) {
        const moment = await readMoment(asked.run, new Date(asked.at * 1000).toISOString());
        if (this.stillWanted()) this.took(moment);
      }
    } catch (error) {
      this.wanted = null;
      this.failed(error);
    } finally {
      this.reading = false;
    }
  }

  private stillWanted(): boolean {
    return this.wanted !== null;
  }

  private next(done: Asked): Asked | null {
    if (this.wanted === done) this.wanted = null;
    return this.wanted;
  }
}
