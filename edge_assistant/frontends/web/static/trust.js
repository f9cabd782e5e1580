// Explains how a phone comes to trust this device: one certificate, installed once.

import { el } from "./dom.js";

const ENGLISH = {
  title: "Trust this device",
  why: "Install this device’s certificate once. Then the warning goes away, the microphone works, and nobody in between can listen.",
  download: "Download the certificate",
  compare: "Before you trust it, compare its SHA-256 fingerprint with the one that the device shows (“Devices and people”, or edge-assistant pair):",
  same: "It is the one that was in the code you scanned.",
  other: "It is NOT the one that was in the code you scanned. Install nothing, and ask whoever runs the device.",
  limits: (hosts) => `It can speak for ${hosts} and for private addresses only, not for any other page.`,
  none: "This device serves no encrypted page, so there is nothing to install.",
  back: "Back to the chat",
  steps: {
    "iPhone and iPad": [
      "Download it in Safari and allow the profile.",
      "Settings → General → VPN & Device Management: install the profile.",
      "Settings → General → About → Certificate Trust Settings: switch it on.",
    ],
    Android: [
      "Download it.",
      "Settings → Security → More → Install a certificate → CA certificate → Install anyway.",
      "Choose edge-assistant.crt, then open the chat again.",
    ],
    "Windows, macOS, Linux": [
      "Windows: open the file, Install Certificate, “Trusted Root Certification Authorities”.",
      "macOS: open it in Keychain Access and set it to “Always Trust”.",
      "Firefox everywhere, Chrome on Linux: Settings → Certificates → Authorities → Import.",
    ],
  },
};

const GERMAN = {
  title: "Diesem Gerät vertrauen",
  why: "Installieren Sie einmal das Zertifikat dieses Geräts. Dann verschwindet die Warnung, das Mikrofon geht, und niemand kann mithören.",
  download: "Zertifikat laden",
  compare: "Vergleichen Sie vorher den SHA-256-Fingerabdruck mit dem, den das Gerät zeigt („Geräte und Personen“ oder edge-assistant pair):",
  same: "Es ist das aus dem Code, den Sie gescannt haben.",
  other: "Es ist NICHT das aus dem Code, den Sie gescannt haben. Installieren Sie nichts und fragen Sie, wer das Gerät betreibt.",
  limits: (hosts) => `Es kann nur für ${hosts} und für private Adressen sprechen, für keine andere Seite.`,
  none: "Dieses Gerät liefert keine verschlüsselte Seite, es gibt nichts zu installieren.",
  back: "Zurück zum Chat",
  steps: {
    "iPhone und iPad": [
      "In Safari laden und das Profil erlauben.",
      "Einstellungen → Allgemein → VPN und Geräteverwaltung: Profil installieren.",
      "Einstellungen → Allgemein → Info → Zertifikatsvertrauenseinstellungen: einschalten.",
    ],
    Android: [
      "Laden.",
      "Einstellungen → Sicherheit → Mehr → Zertifikat installieren → CA-Zertifikat → Trotzdem installieren.",
      "edge-assistant.crt wählen und den Chat neu öffnen.",
    ],
    "Windows, macOS, Linux": [
      "Windows: Datei öffnen, Zertifikat installieren, „Vertrauenswürdige Stammzertifizierungsstellen“.",
      "macOS: in der Schlüsselbundverwaltung öffnen und auf „Immer vertrauen“ stellen.",
      "Firefox überall, Chrome unter Linux: Einstellungen → Zertifikate → Zertifizierungsstellen → Importieren.",
    ],
  },
};

const byId = (id) => document.getElementById(id);

function explain(words) {
  for (const key of ["title", "why", "download", "compare", "back"]) byId(key).textContent = words[key];
  document.title = words.title;
  const parts = Object.entries(words.steps).map(([system, steps]) =>
    el("section", {}, el("h2", {}, system), el("ol", {}, ...steps.map((step) => el("li", {}, step)))),
  );
  byId("steps").replaceChildren(...parts);
}

async function compare(words) {
  const response = await fetch("/api/trust");
  if (!response.ok) {
    byId("download").hidden = true;
    byId("verdict").textContent = words.none;
    return;
  }
  const { fingerprint, hosts } = await response.json();
  byId("fingerprint").textContent = fingerprint;
  byId("limits").textContent = words.limits(hosts.join(", "));
  const scanned = sessionStorage.getItem("authority");
  if (!scanned) return;
  const same = scanned === fingerprint.replaceAll(":", "");
  byId("verdict").textContent = same ? words.same : words.other;
  byId("verdict").classList.toggle("problem", !same);
}

const german = document.documentElement.lang === "de"; // as theme.js found out
explain(german ? GERMAN : ENGLISH);
compare(german ? GERMAN : ENGLISH);
