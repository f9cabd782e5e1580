// Every word the page says in English; text-de.js has the same keys in German. Panels bring their own.

import { GERMAN } from "./text-de.js";

const ENGLISH = {
  you: "You",
  assistant: "Assistant",
  newChat: "New chat",
  untitled: "New chat",
  noChats: "Your chats will be listed here.",
  openChats: "Show chats",
  closeChats: "Hide chats",
  rename: (title) => `Rename “${title}”`,
  renameShort: "Rename",
  renameLabel: "New title",
  share: (title) => `Share “${title}” with the household`,
  unshare: (title) => `Make “${title}” private again`,
  shared: "Shared with the household",
  sharedNow: "Everybody who lives here sees this chat now.",
  privateNow: "Only you see this chat now.",
  remove: (title) => `Delete “${title}”`,
  removeShort: "Delete",
  removeEverywhere: "Also from backups, with what was learnt in it, and keep a receipt",
  removeAsk: (title) => `Delete “${title}”?`,
  removeHint: "It is erased from the device for good.",
  removed: "Chat deleted.",
  today: "Today",
  yesterday: "Yesterday",
  week: "Last 7 days",
  older: "Older",

  skip: "Skip to the message field",
  chats: "Chats",
  conversation: "Conversation",
  household: "Devices and people",
  settings: "Settings",
  search: "Search chats",
  searchNone: (words) => `Nothing found for “${words}”.`,
  searchFound: (count) => `${count} found`,
  inTitle: "In the title",
  exportChat: "Save this chat as a file",
  edit: "Edit and send again",
  editing: "You are editing an earlier message. Sending it replaces it and everything after it.",
  statusMore: "How the device is doing",
  promise: "Private: everything stays on this device.",
  leaves: {
    model: "Your messages are answered by a server that the configuration names.",
    speech: "What is said goes to a server that the configuration names.",
    cloud: "Some questions may be answered by the cloud.",
  },
  message: "Message",
  messageTo: (name) => `Message ${name}`,
  hint: "Enter sends, Shift+Enter starts a new line, Esc stops an answer",
  send: "Send",
  stop: "Stop answering",
  talk: "Hold to talk",
  talkNow: "Speak now…",
  talkHint: "Hold the button while you speak, then let go.",
  talkForbidden: "This page may not use the microphone. Allow it in the browser’s settings.",
  talkNoMicrophone: "There is no microphone that this browser can use.",
  jump: "Jump to the newest message",
  cancel: "Cancel",

  emptyTitle: (name) => `Hello, I’m ${name}.`,
  emptyText: "I run on this device. What you write is kept here, encrypted.",
  suggestions: [
    ["Explain", "Explain in three sentences why the sky is blue."],
    ["Plan", "Make a packing list for a weekend by the sea."],
    ["Write", "Write a short, friendly note that I’ll be ten minutes late."],
  ],

  thinking: "Thinking…",
  reading: (percent) => `Reading the conversation… ${percent} %`,
  sending: "Sending…",
  inLine: (place, seconds) => `Others are answered first: you are number ${place}, about ${seconds} s`,
  sendsLater: "Will be sent when the connection is back",
  copy: "Copy",
  copied: "Copied",
  copyFailed: "Copying was not allowed",
  copyAnswer: "Copy answer",
  wrong: "Wrong",
  wrongLabel: "Say what is right",
  copyCode: "Copy code",
  code: "code",
  codeIn: (language) => `Code in ${language}`,
  table: "Table",
  image: (words) => `Image: ${words}`,
  retry: "Try again",
  sources: (count) => (count === 1 ? "1 source" : `${count} sources`),
  sourceMemory: "Something you told me",
  sourceOthers: "Something somebody here told me",
  places: { page: "page", pages: "pages" },
  sourceDocument: "A document",
  interrupted: "Stopped here.",
  truncated: "The answer reached its length limit.",
  failed: "No answer came.",
  failedCode: (code) => `No answer came (${code}).`,
  waitSeconds: (seconds) => `You can try again in ${seconds} s.`,
  notSent: "Not sent.",
  details: "Details",
  fromCloud: "from the cloud",
  reasons: [], // why an answer came from where it came, as the device says it, and in this language
  firstToken: (seconds) => `first word after ${seconds} s`,
  speed: (rate) => `${rate} tokens/s`,
  tokens: (count) => `${count} tokens`,
  earlier: "Show earlier messages",
  loadFailed: "This chat could not be loaded.",
  gone: "This chat doesn’t exist any more.",

  ready: "Ready",
  loading: "The model is loading…",
  notices: {},
  loadingHint: "The model is still loading. You can already write: the answer comes when it is ready.",
  restarting: "The model is restarting…",
  modelFailed: "The model failed",
  modelStopped: "The model is stopped",
  connecting: "Connecting…",
  offline: "Offline",
  offlineHint: "No connection to the device. The page reconnects by itself; what you write is sent then.",

  signInTitle: "Sign in on this browser",
  signInText: "This assistant answers only browsers that its owner let in. It takes a one-time link or code:",
  signInStep: "On the device, in a terminal, run",
  or: "or",
  signInPaste: "Scan the picture that it shows, or enter here the link or the six digits.",
  linkLabel: "Sign-in link or six digits",
  signIn: "Sign in",
  badLink: "That link or code is used, too old or not complete. Get a new one on the device.",
  noDevice: "The device doesn’t answer. Is it switched on?",
  tooLong: (most) => `A message has at most ${most.toLocaleString()} characters.`,
  deleteFailed: "The chat could not be deleted.",
  renameFailed: "The chat could not be renamed.",
  unexpected: "Something went wrong. Please try again.",
  themes: { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" },
};

const TABLES = { en: ENGLISH, de: GERMAN };
const table = TABLES[document.documentElement.lang] ?? ENGLISH;

/** Returns what an error of the device says, in the page's language where that is known. */
export function errorText({ code, message }) {
  return GERMAN === table ? (table.errors[code] ?? message) : message;
}

/** Returns the words for `key`, filled in with `values`. */
export function t(key, ...values) {
  const words = table[key];
  return typeof words === "function" ? words(...values) : words;
}

/** Fills in the words of the page's fixed parts: `data-text` is their content, `data-label` their name. */
export function fillTexts(root) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", t(node.dataset.label));
    if (node.matches("button, a")) node.title = t(node.dataset.label);
    if (node.dataset.hint) node.placeholder = t(node.dataset.hint);
  }
}
