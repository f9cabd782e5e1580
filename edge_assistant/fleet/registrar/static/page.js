// The operator's page. Text goes in as text: what a device says of itself is never parsed as HTML.

const REFRESH_MS = 5000;
const KEY = "fleet-key";

const $ = (id) => document.getElementById(id);

if (location.hash.length > 1) {
  sessionStorage.setItem(KEY, location.hash.slice(1));
  history.replaceState(null, "", "/"); // the secret leaves the address bar
}

/** Sends an order; resolves to its answer, rejects with the registrar's own words. */
async function order(type, rest = {}) {
  let response;
  try {
    response = await fetch("/order", {
      method: "POST",
      headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` },
      body: JSON.stringify({ type, ...rest }),
    });
  } catch {
    throw new Error("`fleet page` does not run any more: start it again and open its new link");
  }
  const answer = await response.json();
  if (answer.error) throw new Error(answer.error.message);
  return answer;
}

function cell(text, className = "") {
  const node = document.createElement("td");
  node.textContent = text;
  node.className = className;
  return node;
}

function button(label, act, className = "") {
  const node = document.createElement("button");
  node.type = "button";
  node.textContent = label;
  node.className = className;
  node.addEventListener("click", () => attempt(act, node));
  return node;
}

function actions(...buttons) {
  const node = cell("", "actions");
  node.append(...buttons);
  return node;
}

function row(...cells) {
  const node = document.createElement("tr");
  node.append(...cells);
  return node;
}

function ago(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.round(seconds / size)} ${unit} ago`;
  }
  return "now";
}

/** Asks first; resolves to whether it was meant. */
function sure(question, verb) {
  const dialog = $("sure");
  dialog.querySelector("p").textContent = question;
  dialog.querySelector(".danger").textContent = verb;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function say(problem) {
  $("problem").textContent = problem;
  $("problem").hidden = problem === "";
}

/** Does something that a person asked for, then shows what is so now. */
async function attempt(act, node) {
  node.disabled = true;
  try {
    await act();
    say("");
    await refresh();
  } catch (error) {
    say(error.message);
  } finally {
    node.disabled = false;
  }
}

const STATES = { pending: "waits for approval", approved: "may come in", enrolled: "in", held: "held back", revoked: "shut out" };
let shown = "";

function deviceRow(device) {
  const { name, state } = device;
  const away = state === "enrolled" && !device.online;
  const notes = [...device.problems, device.note];
  for (const [key, [wanted, has]] of Object.entries(device.drift)) notes.push(`${key} is ${has || "unset"}, not ${wanted}`);
  const buttons = [];
  if (state === "pending" || state === "held") buttons.push(button(`Approve`, () => order("approve", { name })));
  if (state !== "revoked") {
    buttons.push(button("Revoke", async () => {
      if (await sure(`Shut ${name} out for good? It needs a new key and a new token to come back.`, "Revoke")) {
        await order("revoke", { name });
      }
    }, "danger"));
  }
  for (const each of buttons) each.setAttribute("aria-label", `${each.textContent} ${name}`);
  return row(
    cell(name),
    cell(away ? "away" : STATES[state] ?? state, state === "enrolled" && !away ? "ok" : state === "revoked" ? "bad" : "waits"),
    cell(device.health, device.health === "ok" ? "ok" : device.health === "failing" ? "bad" : ""),
    cell(device.version),
    cell(device.model),
    cell(device.disk_free_mb ? `${(device.disk_free_mb / 1000).toFixed(1)} GB` : ""),
    cell(device.temperature_celsius === null ? "" : `${Math.round(device.temperature_celsius)} °C`),
    cell(device.last_contact ? ago(Date.now() / 1000 - device.last_contact) : "never"),
    cell(device.groups.join(" ")),
    cell(notes.filter(Boolean).join("; ")),
    actions(...buttons),
  );
}

function campaignRow(campaign) {
  const values = Object.entries(campaign.values).map(([key, value]) => `${key}=${value.slice(0, 60)}`);
  const halt = button("Halt", async () => {
    if (await sure("End this change and take it back where it was made?", "Halt")) await order("halt", { id: campaign.id });
  }, "danger");
  return row(
    cell(values.join(" ")),
    cell(campaign.group || "all"),
    cell(campaign.phase, campaign.phase === "done" ? "ok" : campaign.phase === "halted" ? "bad" : "waits"),
    cell(`${campaign.wave} of ${campaign.waves.length}`),
    cell(`${campaign.told} of ${campaign.waves.reduce((sum, size) => sum + size, 0)}`),
    cell(campaign.reason),
    actions(...(campaign.phase === "running" ? [halt] : [])),
  );
}

function fillGroups(groups) {
  for (const select of [$("group"), $("desire").elements.group]) {
    const chosen = select.value;
    select.replaceChildren(new Option("All groups", ""), ...groups.map((group) => new Option(group, group)));
    select.value = groups.includes(chosen) ? chosen : "";
  }
}

function fits(device) {
  const wanted = $("filter").value.trim().toLowerCase();
  const text = [device.name, device.serial, device.state, STATES[device.state], device.health, device.version].join(" ");
  return (!$("group").value || device.groups.includes($("group").value)) && text.toLowerCase().includes(wanted);
}

let status = { devices: [] };

function showDevices() {
  const devices = status.devices.filter(fits);
  $("devices").replaceChildren(...devices.map(deviceRow));
  $("nobody").hidden = devices.length > 0;
  $("nobody").textContent = status.devices.length ? "No device fits." : "No device yet: make a claim token below.";
}

async function refresh() {
  const [told, { campaigns }] = await Promise.all([order("status"), order("campaigns")]);
  const now = JSON.stringify([told, campaigns, Math.floor(Date.now() / 60000)]);
  if (now === shown) return; // who is about to press a button keeps it under the finger
  shown = now;
  status = told;
  const inside = status.devices.filter((device) => device.state === "enrolled");
  const online = inside.filter((device) => device.online).length;
  const waiting = status.devices.filter((device) => device.state === "pending").length;
  const failing = inside.filter((device) => device.health === "failing").length;
  $("summary").textContent = [
    status.connected ? `broker ${status.broker}` : `not connected to ${status.broker}: ${status.detail}`,
    `${online} of ${inside.length} online`,
    waiting ? `${waiting} waiting for approval` : "",
    failing ? `${failing} failing` : "",
  ].filter(Boolean).join(" · ");
  $("summary").className = status.connected ? "" : "bad";
  fillGroups([...new Set(status.devices.flatMap((device) => device.groups))].sort());
  showDevices();
  $("campaigns").replaceChildren(...campaigns.map(campaignRow));
}

async function keepFresh() {
  if (!document.hidden) {
    try {
      await refresh();
      if ($("problem").dataset.from === "refresh") say("");
      delete $("problem").dataset.from;
    } catch (error) {
      say(error.message);
      $("problem").dataset.from = "refresh";
    }
  }
  setTimeout(keepFresh, REFRESH_MS);
}

$("filter").addEventListener("input", showDevices);
$("group").addEventListener("change", showDevices);

$("desire").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => {
    const pairs = form.elements.values.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const values = {};
    for (const pair of pairs) {
      const at = pair.indexOf("=");
      if (at < 1) throw new Error(`expected KEY=VALUE, not ${pair}`);
      values[pair.slice(0, at).trim()] = pair.slice(at + 1).trim();
    }
    await order("desire", { values, group: form.elements.group.value });
    form.elements.values.value = "";
  }, event.submitter);
});

$("claim").addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = event.target.elements;
  attempt(async () => {
    const wish = {
      serial: fields.serial.value.trim(), name: fields.name.value.trim(),
      groups: fields.groups.value.split(/\s+/).filter(Boolean),
    };
    const { claims: [claim] } = await order("claim", { wishes: [wish], allow: fields.allow.checked });
    $("token").querySelector("code").textContent = claim.token;
    $("token").querySelector("time").textContent = new Date(claim.expires_at * 1000).toLocaleTimeString();
    $("token").hidden = false;
    event.target.reset();
  }, event.submitter);
});

keepFresh();
