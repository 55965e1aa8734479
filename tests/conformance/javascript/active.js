'use strict';

// The active side: it keeps its grants and the public identity, logs and sends updates, and says who may succeed it.

const { max } = require('./knowledge.js');
const { hearReturn } = require('./passive.js');

// What was sent and is not reported safe after so many beats is sent again, so many updates at a time.
const RESEND_BEATS = 2n;
const RESEND_WINDOW = 64;
// So long a copy is given to arrive. Who asks for one meanwhile gets it afterwards, unless its position says that it has it.
const COPY_BEATS = 4n;

function begin(server) {
  server.queue = new Map(); // the unsafe queue: from a number to an operation, a status and when it was sent
  server.peerHeard = 0n; // when the peer was last heard in this epoch
  server.declared = false; // what the last declaration says
  server.copyWanted = false; // the peer's last position says that it needs a copy
  server.taking = null; // the parts of a copy that is being taken
  server.copied = null; // when the last copy was sent
}

/** Called when the role is taken. */
function lead(server) {
  server.queue.clear();
  server.peerHeard = server.now;
  server.declared = false;
  server.copyWanted = false;
  server.taking = null;
  server.copied = null;
  server.beatNow();
}

/** ROLE-6, REJOIN-1: no grant left, or a newer epoch. */
function retire(server) {
  const k = server.knows;
  if (k.active && (k.grantsEnd <= server.now || k.seen > k.epoch)) stepDown(server);
}

function stepDown(server) {
  const k = server.knows;
  if (k.serving || k.intercepting) server.do('stop-applications');
  if (k.enabled) server.do('disable');
  server.do('step-down', { epoch: k.epoch });
  server.passiveSince = server.now;
  server.queue.clear();
  server.taking = null;
  server.refrained = null;
  server.beatNow();
}

/** What is due whatever the request was. */
function proceed(server) {
  serve(server);
  acknowledge(server);
  declare(server);
  takeCopy(server);
}

function serve(server) {
  const k = server.knows;
  // ADDR-2: σ before the grant's end. (ADDR-1 and ROLE-6 hold: it is active, has drained, and has not lapsed.)
  const until = k.grantsEnd - server.constants.expiry_slack_ns;
  if (until > server.now && until > k.until) server.do('enable', { until });
  if (!k.exposed || server.switching !== null) return;
  // ROLE-2: the public identity, then interception, then the applications.
  if (!k.intercepting) server.do('start-interception');
  if (!k.serving) server.do('start-applications');
}

function acknowledge(server) {
  const k = server.knows;
  for (let seq = max(k.acknowledged, k.applied) + 1n; seq <= k.carried; seq += 1n) {
    // SYNC-1: it and every earlier one are safe, or there is nobody to be safe with.
    if (server.constants.synchronous && seq > k.safe_upto && !k.alone) return;
    server.do('acknowledge', { epoch: k.epoch, seq });
  }
}

/** §8.5: whether the peer may succeed this server. */
function declare(server) {
  const k = server.knows;
  const silent = server.now >= server.peerHeard + server.patience;
  // REJOIN-2: it has everything acknowledged and everything that this epoch began with.
  const complete = k.peer_follows && k.safe_upto >= max(k.acknowledged, k.applied);
  if (server.declared ? !silent : silent || !complete) return;
  server.declared = !server.declared;
  server.do('declare', { epoch: k.epoch, version: k.version + 1n, eligible: server.declared });
  sayDeclaration(server);
}

function sayDeclaration(server) {
  const { epoch, version } = server.knows;
  server.say('witness', 'declare-eligible', { epoch, version, eligible: server.declared });
}

function onBeat(server) {
  const k = server.knows;
  const ask = { epoch: k.epoch, run: server.run, sent: server.now };
  server.say('peer', 'ask-promise', ask);
  server.say('witness', 'ask-lease', { ...ask, promoted: false });
  // It is asked until it is recorded, and again when the witness is reached anew (§8.6), which nothing tells.
  if (k.version > 0n) sayDeclaration(server);
  resend(server);
}

function resend(server) {
  if (server.now >= server.peerHeard + server.patience) return;
  let room = RESEND_WINDOW;
  for (const [seq, update] of server.queue) {
    if (room === 0) return;
    if (server.now < update.sent + RESEND_BEATS * server.beat) continue;
    room -= 1;
    sendUpdate(server, seq, update);
    if (update.status !== 'none') sendStatus(server, seq, update);
  }
}

function sendUpdate(server, seq, update) {
  update.sent = server.now;
  server.say('peer', 'update', { epoch: server.knows.epoch, seq, operation: update.operation });
}

function sendStatus(server, seq, { status }) {
  server.say('peer', 'update-status', { epoch: server.knows.epoch, seq, status, amount: 0n });
}

/** An application wants something done. Without the action it is refused. */
function onWrite(server, { operation }) {
  const k = server.knows;
  // QUEUE-1: only what is intercepted is logged. While a copy is taken changes are held (REJOIN-2).
  if (!k.active || !k.serving || server.taking !== null) return;
  const seq = k.logged + 1n;
  const update = { operation, status: 'none', sent: server.now };
  server.do('log', { epoch: k.epoch, seq });
  server.queue.set(seq, update);
  sendUpdate(server, seq, update);
}

/** QUEUE-2: everything is carried out in its order, so the update before is the last one that this one may depend on. */
function carriedOut(server, { seq, status }) {
  const k = server.knows;
  if (!k.active || seq !== k.carried + 1n || seq > k.logged) return;
  server.do('carry-out', { epoch: k.epoch, seq, status, depends: seq - 1n });
  const update = server.queue.get(seq);
  if (update === undefined) return;
  update.status = status;
  sendStatus(server, seq, update);
}

function takeCopy(server) {
  const soon = server.copied !== null && server.now < server.copied + COPY_BEATS * server.beat;
  if (!server.copyWanted || soon || server.taking !== null || server.switching !== null) return;
  server.copyWanted = false;
  server.taking = [];
  server.tell('take-copy');
}

function onPart(server, operation) {
  server.taking?.push(operation);
}

function onCopied(server, { upto }) {
  const k = server.knows;
  const parts = server.taking;
  server.taking = null;
  // REJOIN-2: everything logged was carried out, and is in the copy.
  if (!k.active || parts === null || upto !== k.logged || upto !== k.carried) return;
  const { epoch, begun } = k;
  server.copied = server.now;
  server.do('copy', { epoch, begun, upto });
  server.say('peer', 'copy-begin', { epoch, begun, upto });
  parts.forEach((operation, index) => server.say('peer', 'copy-part', { epoch, upto, index: BigInt(index), operation }));
  server.say('peer', 'copy-end', { epoch, upto, parts: BigInt(parts.length), digest: '' });
}

const frames = {
  safe(server, { epoch, upto, latest }) {
    const k = server.knows;
    if (!k.active || epoch !== k.epoch) return;
    server.peerHeard = server.now;
    server.do('hear-safe', { epoch, upto, latest });
    // QUEUE-3: what is safe may go.
    if (k.safe_upto <= k.trimmed) return;
    for (const seq of server.queue.keys()) if (seq <= k.safe_upto) server.queue.delete(seq);
    server.do('trim', { epoch, upto: k.safe_upto });
  },

  position(server, { epoch, stored, statuses, resynchronise }) {
    const k = server.knows;
    if (!k.active) hearReturn(server, epoch);
    if (!k.active || epoch > k.epoch) return;
    server.peerHeard = server.now;
    server.copyWanted = epoch < k.epoch || resynchronise || stored < k.trimmed;
    if (server.copyWanted) return;
    for (const [seq, update] of server.queue) {
      if (seq > stored) sendUpdate(server, seq, update);
      if (seq > statuses && update.status !== 'none') sendStatus(server, seq, update);
    }
  },
};

function recorded(server, { epoch, version, eligible }) {
  const k = server.knows;
  if (!k.active || epoch !== k.epoch || version !== k.version) return;
  if (!(eligible ? k.successor : k.alone)) server.do('hear-recorded', { epoch, version, eligible });
}

/** When something happens by itself: the grants end, or the peer has been silent for too long. */
function deadlines({ knows, peerHeard, patience }) {
  return knows.active ? [knows.grantsEnd, peerHeard + patience] : [];
}

module.exports = {
  begin,
  carriedOut,
  deadlines,
  frames,
  lead,
  onBeat,
  onCopied,
  onPart,
  onWrite,
  proceed,
  recorded,
  retire,
  stepDown,
};
