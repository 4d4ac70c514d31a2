// The words of the map, the junction's panel and the time slider.

const en = {
  replayed: "Replay, not live",
  mapAlarm: "Alarm",
  mapColour: "Colour of the roads",
  mapColours: { queue: "Queue", speed: "Speed" },
  mapSpeedScale: "km/h",
  mapSpeed: (kmh: number) => `Mean speed ${kmh} km/h`,
  mapTools: "View of the map",
  mapNearer: "Nearer",
  mapFarther: "Farther",
  mapWhole: "Whole network",
  mapNoWebGl: "This browser has no WebGL: the map is drawn plainly and cannot be moved.",
};

const zh: typeof en = {
  replayed: "回放，非实时",
  mapAlarm: "告警",
  mapColour: "道路着色",
  mapColours: { queue: "排队", speed: "速度" },
  mapSpeedScale: "公里/小时",
  mapSpeed: (kmh) => `平均速度 ${kmh} 公里/小时`,
  mapTools: "地图视图",
  mapNearer: "放大",
  mapFarther: "缩小",
  mapWhole: "全网",
  mapNoWebGl: "此浏览器不支持 WebGL：地图以简图显示，无法移动。",
};

export const mapWords = { en, zh };
