'use strict';

// What an operator asks for: a switchover (PROTOCOL.md §8.3), a promotion (§8.8), a copy (§8.4), the end (§8.7).

const active = require('./active.js');
const { sayPosition } = require('./passive.js');

function begin(server) {
  server.switching = null; // the switchover that is under way
}

function refuse(server, number, clause, reason) {
  server.do('refrain', { clause, reason });
  server.tell('answer', { number, accepted: false, clause, reason });
}

function accept(server, number) {
  server.tell('answer', { number, accepted: true, clause: '', reason: '' });
}

const ORDERS = {
  switchover(server, { number, within_ns }) {
    const k = server.knows;
    const obstacle = (server.switching !== null && ['SWITCH-1', 'a switchover is under way']) || notReady(server);
    if (obstacle) {
      refuse(server, number, ...obstacle);
      return;
    }
    server.switching = { number, deadline: server.now + within_ns };
    if (k.serving || k.intercepting) server.do('stop-applications');
  },

  promote(server, { number }) {
    const k = server.knows;
    const heard = server.heardLeader !== null && server.now < server.heardLeader + server.constants.promise_ns;
    const obstacle =
      (k.active && ['REJOIN-4', 'it is active']) ||
      (k.seen > k.epoch && ['REJOIN-4', 'its data is of an epoch that is over']) ||
      (heard && ['LEASE-1', 'the active server was heard less than a promise ago']);
    if (obstacle) {
      refuse(server, number, ...obstacle);
      return;
    }
    // LOSS-1: what was carried out here, or else what can be applied; the rest is lost.
    const [kept, last] = k.returned ? [k.carried, k.logged] : [k.settledUpto, k.newest];
    server.ordered = true;
    server.do('promote', { epoch: k.epoch, kept, last, ordered: true });
    accept(server, number);
  },

  resync(server, { number }) {
    const k = server.knows;
    if (k.active) {
      refuse(server, number, 'REJOIN-2', 'it is active');
      return;
    }
    server.copyOrdered = k.follows(k.epoch);
    sayPosition(server);
    accept(server, number);
  },
};

/** What stands in the way of a switchover, if something does. */
function notReady({ knows }) {
  if (!knows.active) return ['SWITCH-1', 'it is not active'];
  if (!knows.peer_follows) return ['SWITCH-1', 'nobody follows it'];
  if (!knows.successor) return ['SWITCH-2', 'the witness has not recorded that its peer is eligible'];
  return null;
}

function onOrder(server, request) {
  ORDERS[request.order](server, request);
}

/** A switchover goes on, or is called off. */
function proceed(server) {
  if (server.switching === null) return;
  const k = server.knows;
  const { number, deadline } = server.switching;
  const obstacle = notReady(server);
  if (obstacle === null && k.carried === k.logged && k.safe_upto === k.logged) {
    // LEASE-5, SWITCH-1, SWITCH-2: hidden, with nothing left to lose, and with a successor.
    if (k.enabled) server.do('disable');
    server.do('release', { epoch: k.epoch });
    server.sync();
    server.switching = null;
    active.stepDown(server);
    accept(server, number);
  } else if (obstacle !== null || server.now >= deadline) {
    server.switching = null;
    refuse(server, number, ...(obstacle ?? ['SWITCH-1', 'the passive server has not reported everything in time']));
    if (k.active) active.proceed(server);
  }
}

/** §8.7: its silence is no failure. */
function onStop(server) {
  const k = server.knows;
  if (k.active) active.stepDown(server);
  server.say('peer', 'goodbye', { epoch: k.epoch });
}

function deadlines({ switching }) {
  return switching === null ? [] : [switching.deadline];
}

module.exports = { begin, deadlines, onOrder, onStop, proceed };
