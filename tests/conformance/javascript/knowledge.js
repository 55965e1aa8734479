'use strict';

// What a server knows (PROTOCOL.md §6), by the names that it has there, and what each of its actions changes (§5).

const max = (a, b) => (a > b ? a : b);

class Knowledge {
  /** `found` is what is on the disk. */
  constructor(found) {
    this.active = found.active;
    this.epoch = found.epoch;
    this.seen = found.seen;
    this.returned = found.returned;
    this.drained = found.drained;
    this.unsafe = found.unsafe;
    this.released = found.released;
    this.begun = found.begun;
    this.peer_left = found.peer_left;
    this.peer_released = found.peer_released;
    this.applied = found.applied;
    this.newest = found.newest;
    this.reported = found.reported;
    this.logged = found.logged;
    // `stored` and `status` in one: the safe queue, from a number to a status.
    this.safeQueue = new Map();
    // `carried` as the last number: updates are carried out in their order.
    this.carried = found.carried;

    this.promoted = false;
    this.keeps = 0n;
    this.lease_epoch = 0n;
    this.lease_until = 0n;
    this.promise_until = 0n;
    this.given_until = 0n;
    this.enabled = false;
    this.until = 0n;
    this.exposed = false;
    this.intercepting = false;
    this.serving = false;
    this.safe_upto = 0n;
    this.acknowledged = 0n;
    this.trimmed = 0n;
    this.peer_follows = false;
    this.version = 0n;
    this.alone = false;
    this.successor = false;
  }

  get grantsEnd() {
    return this.lease_epoch === this.epoch ? max(this.promise_until, this.lease_until) : this.promise_until;
  }

  /** It counts on the lease of the next epoch. */
  holdsNextLease(now) {
    return this.lease_epoch === this.epoch + 1n && this.lease_until > now;
  }

  /** It may store, report and apply what the active server of `epoch` says. (ROLE-5, APPLY-5) */
  follows(epoch) {
    return !this.active && !this.returned && !this.drained && epoch === this.epoch && epoch >= 1n && this.seen <= epoch;
  }

  settled(seq) {
    return seq <= this.applied || (this.safeQueue.get(seq) ?? 'none') !== 'none';
  }

  /** The ends of the unbroken runs, upwards from what is applied: of updates, and of updates with their statuses. */
  get storedUpto() {
    let seq = this.applied;
    while (this.safeQueue.has(seq + 1n)) seq += 1n;
    return seq;
  }

  get settledUpto() {
    let seq = this.applied;
    while (this.settled(seq + 1n)) seq += 1n;
    return seq;
  }

  get settledLatest() {
    let latest = this.applied;
    for (const seq of this.safeQueue.keys()) if (this.settled(seq)) latest = max(latest, seq);
    return latest;
  }

  change(name, action, now) {
    CHANGES[name]?.(this, action, now);
  }
}

const CHANGES = {
  start(k, { wait_until }) {
    k.returned ||= k.active;
    k.active = false;
    k.given_until = wait_until;
  },
  store(k, { seq }) {
    k.safeQueue.set(seq, 'none');
    k.newest = max(k.newest, seq);
  },
  'store-status'(k, { seq, status }) {
    k.safeQueue.set(seq, status);
  },
  'report-safe'(k, { upto }) {
    k.reported = max(k.reported, upto);
  },
  apply(k, { seq }) {
    k.applied = seq;
    k.safeQueue.delete(seq);
  },
  resynchronise(k, { epoch, upto }) {
    if (epoch !== k.epoch) k.reported = 0n;
    k.epoch = epoch;
    k.seen = max(k.seen, epoch);
    k.returned = false;
    k.promoted = false;
    k.drained = false;
    k.applied = upto;
    k.newest = upto;
    k.safeQueue.clear();
  },
  promise(k, { epoch, until }) {
    k.given_until = until;
    k.seen = max(k.seen, epoch);
    k.promoted = false;
  },
  'count-promise'(k, { until }) {
    k.promise_until = max(k.promise_until, until);
  },
  'count-lease'(k, { epoch, until }) {
    k.lease_until = epoch === k.lease_epoch ? max(k.lease_until, until) : until;
    k.lease_epoch = epoch;
  },
  release(k, { epoch }) {
    k.released = max(k.released, epoch);
  },
  'hear-release'(k, { epoch }, now) {
    if (k.seen <= epoch) k.given_until = now;
    k.peer_released = max(k.peer_released, epoch);
  },
  promote(k, { kept }) {
    k.promoted = true;
    k.keeps = kept;
  },
  discard(k) {
    k.drained = true;
    k.safeQueue.clear();
    k.newest = k.applied;
  },
  'take-role'(k, { epoch }) {
    if (k.returned) k.applied = k.keeps;
    else k.begun = k.applied;
    k.active = true;
    k.epoch = epoch;
    k.seen = max(k.seen, epoch);
    k.unsafe = true;
    k.newest = k.logged = k.trimmed = k.carried = k.applied;
    k.promise_until = k.keeps = k.safe_upto = k.acknowledged = k.version = 0n;
    k.returned = k.promoted = k.exposed = k.peer_follows = k.successor = false;
    k.alone = true;
  },
  enable(k, { until }) {
    k.enabled = true;
    k.until = until;
    k.exposed = true;
  },
  disable(k) {
    k.enabled = false;
    k.until = 0n;
  },
  'start-interception'(k) {
    k.intercepting = true;
  },
  'start-applications'(k) {
    k.serving = true;
  },
  'stop-applications'(k) {
    k.serving = k.intercepting = false;
  },
  log(k, { seq }) {
    k.logged = seq;
  },
  'carry-out'(k, { seq }) {
    k.carried = seq;
  },
  'hear-safe'(k, { upto }) {
    k.safe_upto = max(k.safe_upto, upto);
    k.peer_follows = true;
  },
  acknowledge(k, { seq }) {
    k.acknowledged = max(k.acknowledged, seq);
  },
  trim(k, { upto }) {
    k.trimmed = upto;
  },
  declare(k, { version }) {
    k.version = version;
    k.alone = k.successor = false;
  },
  'hear-recorded'(k, { version, eligible }) {
    if (version !== k.version) return;
    k.alone = !eligible;
    k.successor = eligible;
  },
  'hear-epoch'(k, { epoch }) {
    k.seen = max(k.seen, epoch);
  },
  'step-down'(k) {
    k.active = k.enabled = k.intercepting = k.serving = k.alone = k.successor = false;
    k.returned = true;
    k.promise_until = k.lease_until = k.until = 0n;
  },
  'set-aside'(k) {
    k.unsafe = false;
  },
  'hear-goodbye'(k) {
    k.peer_left = true;
  },
  'hear-return'(k) {
    k.peer_left = false;
  },
};

module.exports = { Knowledge, max };
