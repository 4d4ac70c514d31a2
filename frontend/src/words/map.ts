// The words of the map, the junction's panel and the time slider.

const en = {};

const zh: typeof en = {};

export const mapWords = { en, zh };
