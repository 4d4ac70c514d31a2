// The words of the map, the junction's panel and the time slider.

const en = {
  replayed: "Replay, not live",
};

const zh: typeof en = {
  replayed: "回放，非实时",
};

export const mapWords = { en, zh };
