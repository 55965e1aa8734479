'use strict';

// A server: what it knows, what it was told at its start, and the lines that answer a request. It has neither a clock nor a
// disk nor a network; each request says how late it is, and each answer says what is to be done.

const active = require('./active.js');
const { Malformed, decode, encode } = require('./frames.js');
const grants = require('./grants.js');
const { Knowledge } = require('./knowledge.js');
const orders = require('./orders.js');
const passive = require('./passive.js');
const takeover = require('./takeover.js');

// Actions of which nothing has to survive a stop (§3, §6).
const FLEETING = new Set([
  'acknowledge',
  'count-lease',
  'count-promise',
  'declare',
  'disable',
  'enable',
  'hear-recorded',
  'hear-safe',
  'refrain',
  'start-applications',
  'start-interception',
  'stop-applications',
  'trim',
]);

// Actions that somebody else may see: what they depend on is durable before (§3).
const OUTWARD = new Set(['acknowledge', 'enable', 'start-applications']);

const FRAMES = {
  peer: { ...passive.frames, ...active.frames, promised: grants.promised },
  witness: { leased: grants.leased, 'not-leased': grants.notLeased, recorded: active.recorded },
};

// Whoever says one of these is active in its epoch,
const OF_THE_ACTIVE = new Set(['ask-promise', 'update', 'update-status', 'copy-begin', 'copy-part', 'copy-listing', 'copy-end']);
// and who says one of these was, or knows of one that is or was.
const OF_AN_ACTIVE = new Set([...OF_THE_ACTIVE, 'released', 'goodbye', 'newer']);

class Server {
  constructor(found) {
    this.knows = new Knowledge(found);
    this.lines = [];
    this.unsynced = false;
    this.nextBeat = 0n;
    this.wakeAt = null;
    this.refrained = null; // the last reason given for not taking over
    this.heardLeader = null; // when the active server was heard in this run
    passive.begin(this);
    active.begin(this);
    takeover.begin(this);
    orders.begin(this);
  }

  /** An update in a queue that was found. The unsafe one's are never sent again: whoever is behind gets a copy (REJOIN-1). */
  queued({ queue, seq, status }) {
    if (queue === 'safe') this.knows.safeQueue.set(seq, status);
  }

  start(request) {
    this.now = request.now;
    this.run = request.run;
    this.constants = request;
    this.beat = request.beat_ns;
    this.patience = request.patience_ns;
    this.passiveSince = request.now;
    // ROLE-1: passive and hidden. LEASE-2: what may have been promised before is waited out.
    const wait_until = this.now + this.constants.promise_ns;
    this.do('start', { active: false, enabled: false, until: 0n, wait_until });
    return this.#finish();
  }

  /** A piece of the copy that is being taken. */
  part({ operation }) {
    active.onPart(this, operation);
  }

  /** Answers any other request of a running server. */
  handle(op, request) {
    this.now = request.now;
    // What was carried out is a fact, also for one that has lapsed. (It is judged by neither ROLE-6 nor REJOIN-1.)
    if (op === 'carried-out') active.carriedOut(this, request);
    this.retire();
    HANDLERS[op]?.(this, request);
    if (op === 'stop') return this.#flush();
    return this.#finish();
  }

  /** An action: it is written, and changes what is known. */
  do(name, fields = {}) {
    if (OUTWARD.has(name)) this.sync();
    this.lines.push({ do: name, ...fields });
    this.knows.change(name, fields, this.now);
    if (!FLEETING.has(name)) this.unsynced = true;
  }

  /** A frame. What it says is durable before it is said (§3). */
  say(to, kind, fields) {
    this.sync();
    this.lines.push({ is: 'say', to, frame: encode(kind, fields) });
  }

  /** Any other line of an answer. */
  tell(is, fields = {}) {
    this.sync();
    this.lines.push({ is, ...fields });
  }

  sync() {
    if (this.unsynced) this.lines.push({ is: 'sync' });
    this.unsynced = false;
  }

  /** Of what stops this server from taking over or going on, it says each reason once. (ROLE-3, SWITCH-1) */
  refrain(clause, reason) {
    if (this.refrained === reason) return;
    this.refrained = reason;
    this.do('refrain', { clause, reason });
  }

  retire() {
    active.retire(this);
  }

  beatNow() {
    this.nextBeat = this.now;
  }

  #finish() {
    // Each of these may give the next one something to do.
    takeover.proceed(this);
    if (this.knows.active) active.proceed(this);
    orders.proceed(this);
    if (this.now >= this.nextBeat) {
      this.nextBeat = this.now + this.beat;
      if (this.knows.active) active.onBeat(this);
      else {
        passive.onBeat(this);
        takeover.onBeat(this);
      }
    }
    this.#wake();
    return this.#flush();
  }

  #wake() {
    const times = [this.nextBeat, ...active.deadlines(this), ...takeover.deadlines(this), ...orders.deadlines(this)];
    const at = times.filter((time) => time > this.now).reduce((one, other) => (other < one ? other : one));
    if (at === this.wakeAt) return;
    this.wakeAt = at;
    this.tell('wake-at', { at });
  }

  #flush() {
    this.sync();
    const lines = this.lines;
    this.lines = [];
    return lines;
  }
}

const HANDLERS = {
  connected(server) {
    if (!server.knows.active) passive.sayPosition(server);
    server.reportDue = true; // What is safe is said once more (§12).
    server.beatNow();
  },

  frame(server, { sender, frame }) {
    let message;
    try {
      message = decode(frame);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      server.tell('close', { to: sender }); // §12.1
      return;
    }
    if (sender === 'peer' && isOver(server, message)) return;
    FRAMES[sender][message.kind]?.(server, message);
  },

  idle: passive.onIdle,
  write: active.onWrite,
  copied: active.onCopied,
  order: orders.onOrder,
  stop: orders.onStop,
};

// What an epoch that is over, or none, does not make void: where the peer stands, and that it goes.
const OF_ANY_EPOCH = new Set(['position', 'goodbye', 'newer']);

/** What the peer says of an epoch that is over is answered `Newer` (§12.4); of a new one, it is heard of. */
function isOver(server, { kind, epoch }) {
  const k = server.knows;
  if (epoch === 0n && !OF_ANY_EPOCH.has(kind)) return true; // It asks for nothing (§12).
  if (OF_THE_ACTIVE.has(kind)) server.heardLeader = server.now;
  if (OF_AN_ACTIVE.has(kind) && epoch > k.seen) {
    server.do('hear-epoch', { epoch });
    server.retire(); // REJOIN-1
    server.beatNow(); // A passive server that is behind says so.
  }
  if (epoch === undefined || epoch >= k.seen || OF_ANY_EPOCH.has(kind)) return false;
  server.say('peer', 'newer', { epoch: k.seen });
  return true;
}

module.exports = { Server };
