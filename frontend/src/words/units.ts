// Units by their UN/CEFACT code (Recommendation 20, as NGSI-LD's `unitCode`), as people write them.
// A code without a word is shown as it is.

const symbols: Record<string, string> = {
  ...{ CEL: "°C", FAH: "°F", KEL: "K", P1: "%", 59: "ppm", 61: "ppb", C62: "" },
  ...{ MTS: "m/s", KMH: "km/h", KNT: "kn", HM: "mph", MTR: "m", KMT: "km", CMT: "cm", MMT: "mm", FOT: "ft", INH: "in", SMI: "mi", "4H": "µm" },
  ...{ PAL: "Pa", A97: "hPa", MBR: "mbar", KPA: "kPa", BAR: "bar", PS: "psi", GQ: "µg/m³", GP: "mg/m³", M1: "mg/l" },
  ...{ C26: "ms", SEC: "s", MIN: "min", HUR: "h", DD: "°", C81: "rad", H67: "mm/h" },
  ...{ MTQ: "m³", LTR: "l", MLT: "ml", MQS: "m³/s", MQH: "m³/h", G51: "l/s", L2: "l/min", MTK: "m²" },
  ...{ KGM: "kg", GRM: "g", TNE: "t", WTT: "W", KWT: "kW", MAW: "MW", JOU: "J", KJO: "kJ", WHR: "Wh", KWH: "kWh", MWH: "MWh" },
  ...{ D54: "W/m²", LUX: "lx", VLT: "V", AMP: "A", HTZ: "Hz", KHZ: "kHz", "2N": "dB", Q30: "pH", E41: "µmol" },
};

const en = { units: { ...symbols, DAY: "days", MIN: "min", ANN: "years", MON: "months" } as Record<string, string> };
const zh: typeof en = { units: { ...symbols, SEC: "秒", MIN: "分钟", HUR: "小时", DAY: "天", ANN: "年", MON: "个月" } };

export const unitWords = { en, zh };
