// What people do on the page: look, place lines, count. Everything is asked of the agent; nothing is kept here.

const WORDS = {
  en: {
    up: "{id} is up.", down: "{id} is down.", silent: "{id} is silent: {reason}.", none: "No camera is configured here.",
    soft: "Softened: nobody can be recognised. Who crosses a line towards its arrow comes in. Tap the picture to get coordinates for the configuration.",
    line_is: "line: {corners}", zone_is: "zone: {corners}", clear: "Clear",
    send: "Send a picture to headquarters", is_sent: "On its way since {time}.",
    count: "Count beside the camera", how: "Tap everybody who comes in or goes out for half an hour. Start and end while nobody is at the line.",
    start: "Start counting", in: "In", out: "Out", undo: "Undo", end: "End and store", drop: "Discard",
    elapsed: "{time} of 30:00", waiting: "{count} taps are still on their way.",
    you: "You", camera: "Camera", error: "Error",
    earlier: "Earlier counts", formula: "Error: (camera − you) ÷ you.", no_lines: "Give the camera a line first; then it can be counted beside it.",
    no_picture: "No picture: {reason}", no_answer: "The agent does not answer. Taps are kept until it does.",
  },
  zh: {
    up: "{id} 正常。", down: "{id} 故障。", silent: "{id} 无数据：{reason}。", none: "尚未配置摄像头。",
    soft: "画面已模糊，无法辨认任何人。朝箭头方向越线计为进。点按画面可得到配置用的坐标。",
    line_is: "线：{corners}", zone_is: "区域：{corners}", clear: "清除",
    send: "发送一幅画面到总部", is_sent: "已于 {time} 交付发送。",
    count: "人工核数", how: "半小时内，每有人进出就点一下。请在线旁无人时开始和结束。",
    start: "开始计数", in: "进", out: "出", undo: "撤销", end: "结束并保存", drop: "放弃",
    elapsed: "{time} / 30:00", waiting: "还有 {count} 次点按未送达。",
    you: "人工", camera: "摄像头", error: "误差",
    earlier: "历次核数", formula: "误差 =（摄像头 − 人工）÷ 人工。", no_lines: "请先为摄像头配置计数线。",
    no_picture: "无画面：{reason}", no_answer: "边缘代理无响应，恢复前点按会保留。",
  },
};
const language = navigator.language.startsWith("zh") ? "zh" : "en";
const say = (key, values = {}) => WORDS[language][key].replace(/{(\w+)}/g, (_, name) => values[name] ?? "");
const $ = (id) => document.getElementById(id);
const show = (id, text) => { $(id).textContent = text; $(id).hidden = !text; };

let cameras = [];
let camera;             // the one that is shown
let picked = [];        // corners tapped on the picture
let queue = [];         // taps that the agent does not have yet
let sending = false;
let heedUntil = 0;      // until when a refusal stays readable

async function ask(path, order) {
  const post = order && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(order) };
  const answer = await fetch(path, post);
  if (!answer.ok) throw Object.assign(new Error(await answer.text()), { told: true });
  return answer;
}

const mine = (what) => `/cameras/${camera.id}/${what}`;

async function refresh(path = "/cameras", order) {
  try {
    cameras = await (await ask(path, order)).json();
    if (order || Date.now() > heedUntil) show("trouble", "");
    draw();
    return true;
  } catch (fault) {
    show("trouble", fault.told ? fault.message : say("no_answer"));
    if (order) heedUntil = Date.now() + 8000;
    return Boolean(fault.told);  // what was refused is not asked again
  }
}

// --- the picture ---

async function look() {
  try {
    const url = URL.createObjectURL(await (await ask(mine("picture"))).blob());
    URL.revokeObjectURL($("picture").src);
    $("picture").src = url;
    document.querySelector("figcaption").textContent = say("soft");
  } catch (fault) {
    $("picture").removeAttribute("src");
    if (fault.told) document.querySelector("figcaption").textContent = say("no_picture", { reason: fault.message });
  }
}

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text ?? "";
  return made;
}

function drawing() {
  const [width, height] = camera.size;
  const unit = 4 * width / $("frame").clientWidth;  // four pixels of the screen
  $("frame").style.aspectRatio = `${width} / ${height}`;
  $("drawing").setAttribute("viewBox", `0 0 ${width} ${height}`);
  const shapes = [];
  const label = (x, y, text) => shapes.push(svg("text", { x, y, "font-size": 3.5 * unit }, text));
  for (const [name, corners] of Object.entries(camera.zones)) {
    shapes.push(svg("polygon", { class: "zone", points: corners.join(" ") }));
    label(corners[0][0] + unit, corners[0][1] + 4 * unit, name);
  }
  for (const [name, [x1, y1, x2, y2]] of Object.entries(camera.lines)) {
    const long = Math.hypot(x2 - x1, y2 - y1), x = (x1 + x2) / 2, y = (y1 + y2) / 2;
    const [alongX, alongY] = [(x2 - x1) / long, (y2 - y1) / long], [inX, inY] = [-alongY, alongX];
    const [tipX, tipY] = [x + 7 * unit * inX, y + 7 * unit * inY];
    const barb = (side) => `${tipX - 2 * unit * (inX + side * alongX)},${tipY - 2 * unit * (inY + side * alongY)}`;
    shapes.push(svg("path", { class: "line", d: `M${x1},${y1}L${x2},${y2}M${x},${y}L${tipX},${tipY}M${barb(1)}L${tipX},${tipY}L${barb(-1)}` }));
    label(x + 2 * unit * (Math.abs(inX) < 0.5 ? 1 : inX), y + 4 * unit * (inY < -0.5 ? -0.5 : 1), name);
  }
  for (const [x, y] of picked) shapes.push(svg("circle", { class: "point", cx: x, cy: y, r: unit }));
  if (picked.length > 1) shapes.push(svg("polygon", { class: "point", points: picked.join(" ") }));
  $("drawing").replaceChildren(...shapes);
  $("points").hidden = !picked.length;
  $("corners").textContent = say(picked.length > 2 ? "zone_is" : "line_is", { corners: picked.flat().join(",") });
}

// --- tables ---

function row(...cells) {
  const made = document.createElement("tr");
  for (const text of cells) made.appendChild(document.createElement("td")).textContent = text;
  return made;
}

function titled(text) {
  const made = document.createElement("tr");
  Object.assign(made.appendChild(document.createElement("th")), { scope: "rowgroup", colSpan: 4, textContent: text });
  return made;
}

const percent = (error) => (error === null ? "–" : `${error > 0 ? "+" : ""}${error.replace("-", "−")} %`);
const rows = (line) => ["in", "out"].map((name) => row(
  `${line.line} · ${say(name)}`, line[`tapped_${name}`], line[`counted_${name}`], percent(line[`error_${name}`])));

function time(from, to) {
  const [begin, end] = [from, to].map((at) => new Date(at));
  const day = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(language, day).formatRange(begin, end);
}

function draw() {
  const here = new URLSearchParams(location.search).get("camera");
  camera = cameras.find((one) => one.id === here) ?? cameras[0];
  $("camera").hidden = !camera;
  show("sentence", camera ? say(camera.state, { ...camera }) : say("none"));
  if (!camera) return;
  choices();
  if (camera.size) drawing();
  $("still").hidden = !camera.still;
  counting();
  $("earlier").hidden = !camera.earlier.length;
  $("past").replaceChildren(...camera.earlier.flatMap((line, n) => [
    ...(camera.earlier[n - 1]?.to === line.to ? [] : [titled(time(line.from, line.to))]), ...rows(line)]));
}

function choices() {
  $("cameras").hidden = cameras.length < 2;
  $("cameras").replaceChildren(...cameras.map((one) => {
    const link = Object.assign(document.createElement("a"), { href: `?camera=${one.id}`, textContent: one.id });
    if (one === camera) link.setAttribute("aria-current", "page");
    return link;
  }));
}

function counting() {
  const { audit } = camera, names = Object.keys(camera.lines);
  $("idle").hidden = Boolean(audit);
  $("running").hidden = !audit;
  $("start").hidden = !names.length;
  $("idle").firstElementChild.textContent = say(names.length ? "how" : "no_lines");
  if (!audit) return;
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  $("elapsed").textContent = [say("elapsed", { time: clock(audit.seconds) }), queue.length ? say("waiting", { count: queue.length }) : ""].join(" ");
  $("now").replaceChildren(...audit.lines.flatMap((line) => rows(line)));
  $("lines").hidden = names.length < 2;
  if ($("lines").children.length !== names.length) $("lines").replaceChildren(...names.map((name, first) => {
    const label = document.createElement("label");
    label.append(Object.assign(document.createElement("input"), { type: "radio", name: "line", value: name, checked: !first }), name);
    return label;
  }));
}

// --- what people do ---

function tap(inward) {
  if (!camera?.audit) return;
  const line = document.querySelector("input[name=line]:checked").value;
  queue.push({ do: "tap", line, inward, id: `${Date.now()}-${Math.random()}` });
  send();
}

async function send() {
  if (sending) return;
  sending = true;
  while (queue.length && await refresh(mine("audit"), queue[0])) queue.shift();
  sending = false;
}

const order = (what) => () => refresh(mine("audit"), { do: what });
$("in").onclick = () => tap(true);
$("out").onclick = () => tap(false);
$("start").onclick = order("start");
$("undo").onclick = order("undo");
$("drop").onclick = order("drop");
$("end").onclick = async () => { await send(); if (!queue.length) await order("end")(); };
$("clear").onclick = () => { picked = []; drawing(); };
$("send").onclick = async () => {
  $("sent").textContent = "";
  if (await refresh(mine("still"), {}) && $("trouble").hidden) $("sent").textContent = say("is_sent", { time: new Date().toLocaleTimeString(language) });
};
$("drawing").onclick = (event) => {
  if (!camera.size) return;
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform($("drawing").getScreenCTM().inverse());
  picked.push([Math.round(at.x), Math.round(at.y)]);
  drawing();
};
document.onkeydown = (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "i" || event.key === "o") tap(event.key === "i");
};

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
for (const part of document.querySelectorAll("[data-word]")) part.textContent = say(part.dataset.word);

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
(async function follow() {
  for (;; await pause(1000)) if (!document.hidden) await (queue.length ? send() : refresh());
})();
(async function watch() {
  for (;; await pause(1000)) if (camera && !document.hidden) await look();
})();
