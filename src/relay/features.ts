/** The list of features of which a relay consists, in the order in which they are opened. */
import { join } from 'node:path';
import {
  openControlSocket,
  openWindowEndpoint,
  type ServedCommand,
  serve,
  type WindowEndpoint,
  type WindowEndpointOptions,
} from '../admin/index.ts';
import { audit, auditCommands } from '../audit/index.ts';
import { userName } from '../base/index.ts';
import {
  ClearinghouseServer,
  clearinghouseCommands,
  createClearinghouseControl,
} from '../clearinghouse/index.ts';
import type { Config } from '../config/index.ts';
import { createGuardControl, guardCommands } from '../guard/index.ts';
import { createWindowControl, windowCommands } from '../identity/index.ts';
import { createLocalMailControl, localMailCommands } from '../local-mail/index.ts';
import { watchMaildrop } from '../maildrop/index.ts';
import { ListenerSet, placeKey } from '../net/index.ts';
import {
  closeSessionsOf,
  createQueueControl,
  createSessionControl,
  queueCommands,
  sessionCommands,
} from '../operation/index.ts';
import { type Feature, type Prepared, together } from './feature.ts';
import { type Current, type Parts, sessionSettings } from './parts.ts';
import { deliveryOptions, listenerOptions } from './settings.ts';
import { sweepRegularly } from './sweeper.ts';

/** A feature is one line here. The order is that of opening; the reverse is that of draining. */
export function listFeatures(
  parts: Parts,
  current: Current,
  commands: () => readonly ServedCommand[],
): readonly Feature[] {
  return [
    spool(parts),
    state(parts),
    names(current),
    delivery(parts),
    background(parts),
    queue(parts),
    guard(parts),
    clearinghouse(parts, current),
    audits(parts, current),
    controlSocket(parts, commands),
    localMail(parts),
    trap(parts),
    attempts(parts),
    watchdog(parts),
    popBeforeSmtp(parts),
    together(smtp(parts), pop3(parts)),
  ];
}

function spool({ spool }: Parts): Feature {
  return {
    name: 'spool',
    status: () => {
      const health = spool.health();
      return { spool: health.state === 'ok' ? 'ok' : JSON.stringify(health), messages: spool.count() };
    },
    drain: () => spool[Symbol.asyncDispose](),
  };
}

function state({ state }: Parts): Feature {
  return { name: 'state', drain: () => state[Symbol.asyncDispose]() };
}

/** Names of hosts and of users: made by the root, since other parts are made of them. */
function names(current: Current): Feature {
  return {
    name: 'names',
    reload: ({ config, resolver, identities }) => ({
      commit: () => Object.assign(current, { config, resolver, identities }),
    }),
    async drain() {
      current.identities.close();
      await current.resolver[Symbol.asyncDispose]();
    },
  };
}

function delivery({ delivery }: Parts): Feature {
  return {
    name: 'delivery',
    reload: ({ config, resolver }) => ({
      commit: delivery.prepare(deliveryOptions(config), { resolver }),
    }),
    status: () => ({ callouts: [...delivery.calloutTroubles] }),
    drain: () => delivery[Symbol.asyncDispose](),
  };
}

/** Background work. */
function background({ background }: Parts): Feature {
  return { name: 'background', drain: () => background.drain() };
}

function queue(parts: Parts): Feature {
  const { queue } = parts;
  return {
    name: 'queue',
    commands: serve(queueCommands, createQueueControl(parts)),
    reload: ({ config }) => ({ commit: () => queue.reload(config.queue) }),
    drain: (signal) => queue.drain(signal),
  };
}

function guard(parts: Parts): Feature {
  const { guard, windows } = parts;
  const endSessionsOf = async (name: string) => {
    closeSessionsOf(parts, name);
    await windows.revoke({ name });
  };
  return {
    name: 'guard',
    commands: serve(guardCommands, createGuardControl({ ...parts, endSessionsOf })),
    reload: ({ config }) => ({ commit: () => guard.reload(config.guard) }),
  };
}

function clearinghouse({ clock, log }: Parts, current: Current): Feature {
  return {
    name: 'clearinghouse',
    commands: serve(
      clearinghouseCommands,
      createClearinghouseControl(() => current.clearinghouse),
    ),
    async open({ clearinghouse: options }) {
      if (options === undefined) return;
      const resolver = () => current.resolver;
      current.clearinghouse = await ClearinghouseServer.open(options, { clock, log, resolver });
    },
    reload: ({ config }) => current.clearinghouse?.prepare(config.clearinghouse?.doors ?? []),
    addresses: () => current.clearinghouse?.addresses ?? [],
    drain: () => current.clearinghouse?.[Symbol.asyncDispose](),
  };
}

function audits(parts: Parts, current: Current): Feature {
  const config = () => current.config;
  return {
    name: 'audit',
    commands: serve(auditCommands, { audit: () => audit({ ...parts, config }) }),
  };
}

function controlSocket({ log }: Parts, commands: () => readonly ServedCommand[]): Feature {
  let socket: AsyncDisposable | undefined;
  return {
    name: 'control socket',
    async open({ data }) {
      socket = await openControlSocket({ path: join(data, 'control.sock'), commands: commands(), log });
    },
    drain: () => socket?.[Symbol.asyncDispose](),
  };
}

/** Mail of this machine: the operator's by the control socket, local users' by the maildrop. */
function localMail(parts: Parts): Feature {
  const { dropIntake: intake, clock, log } = parts;
  const user = userName(process.getuid?.() ?? 0);
  let watched: AsyncDisposable | undefined;
  return {
    name: 'local-mail',
    commands: serve(localMailCommands, createLocalMailControl({ ...parts, user })),
    async open({ sendmail: { maildrop: folder, maxMessageBytes } }) {
      watched = await watchMaildrop({ folder, maxMessageBytes, log, clock, intake });
    },
    drain: () => watched?.[Symbol.asyncDispose](),
  };
}

function trap({ trap }: Parts): Feature {
  return { name: 'trap', open: (config) => trap.open(config), drain: () => trap[Symbol.asyncDispose]() };
}

/** The work that begins once everything is there that an attempt may need. */
function attempts(parts: Parts): Feature {
  let sweeps: Disposable | undefined;
  return {
    name: 'attempts',
    async open() {
      await parts.queue.start();
      parts.guard.start();
      sweeps = sweepRegularly(parts);
    },
    drain: () => sweeps?.[Symbol.dispose](),
  };
}

function watchdog({ watchdog }: Parts): Feature {
  return {
    name: 'watchdog',
    open: () => watchdog.start(),
    status: () => ({
      held: watchdog.held,
      alarms: watchdog.alarms.map(({ kind, subject, since, because, waiting }) => ({
        kind,
        subject,
        since,
        because,
        ...(waiting === undefined ? {} : { waiting }),
      })),
    }),
    drain: () => watchdog[Symbol.asyncDispose](),
  };
}

/** Windows of POP before SMTP, and where programs report logins. */
function popBeforeSmtp({ windows, clock, log }: Parts): Feature {
  const endpoints = new ListenerSet<WindowEndpointOptions, WindowEndpoint>({
    keyOf: placeKey,
    bind: openWindowEndpoint,
    clock,
  });
  const prepare = ({ relay: { popBeforeSmtp } }: Config) => {
    const { events } = popBeforeSmtp ?? {};
    return endpoints.prepare(events === undefined ? [] : [{ ...events, windows, clock, log }]);
  };
  return {
    name: 'pop-before-smtp',
    commands: serve(windowCommands, createWindowControl(windows)),
    async bind(config) {
      (await prepare(config)).commit();
    },
    async reload({ config }) {
      const { commit, abandon } = await prepare(config);
      return {
        abandon,
        commit() {
          commit();
          windows.reload();
        },
      };
    },
    status: () => (windows.size === undefined ? {} : { windows: windows.size }),
    addresses: () =>
      endpoints.open.map(({ address, host, port }) => ({
        name: 'windows',
        role: 'http',
        address,
        host,
        port,
      })),
    drain: (signal) => endpoints.drain(signal),
  };
}

/** No client is greeted before everything is there that judges a message. */
function smtp(parts: Parts): Feature {
  const { receiver } = parts;
  let bound: Prepared | undefined;
  return {
    name: 'smtp',
    commands: serve(sessionCommands, createSessionControl(parts)),
    async bind(config) {
      bound = await receiver.prepare(listenerOptions(config));
    },
    open: () => bound?.commit(),
    async reload(next) {
      const settings = sessionSettings(next, parts);
      const { commit, abandon } = await receiver.prepare(listenerOptions(next.config));
      return {
        abandon,
        commit() {
          receiver.settings = settings;
          commit();
        },
      };
    },
    status: () => ({ sessions: receiver.sessionCount }),
    addresses: () => receiver.addresses,
    drain: (signal) => receiver.drain(signal),
  };
}

function pop3({ pop3 }: Parts): Feature {
  let bound: Prepared | undefined;
  return {
    name: 'pop3',
    async bind(config) {
      bound = await pop3.prepare(config.pop3);
    },
    open: () => bound?.commit(),
    reload: ({ config }) => pop3.prepare(config.pop3),
    addresses: () => pop3.addresses,
    drain: (signal) => pop3.drain(signal),
  };
}
