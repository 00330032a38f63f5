import { Command, CommanderError, Option } from 'commander';
import type { CommonOptions, WatchOptions } from './commands/options.ts';
import type { ReplayOptions } from './commands/replay.ts';
import type { RollbackOptions } from './commands/rollback.ts';
import type { WhyOptions } from './commands/why.ts';
import { EXIT } from './exit.ts';
import type { Io } from './io.ts';

/** Parses the command line and runs one command; each loads only what it needs. Resolves to the exit code. */
export async function runProgram(argv: string[], io: Io, version: string): Promise<number> {
  let code: number = EXIT.ok;
  const program = buildProgram(io, version, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return code;
}

/** What `--help` prints: of the program ('') and of each command by its name. */
export function helpTexts(version: string): Record<string, string> {
  const silent: Io = {
    out: () => {},
    err: () => {},
    outTTY: false,
    errTTY: false,
    color: false,
    columns: HELP_COLUMNS,
  };
  const program = buildProgram(silent, version, () => {});
  return Object.fromEntries([
    ['', program.helpInformation()],
    ...program.commands.map((command) => [command.name(), command.helpInformation()]),
  ]);
}

const HELP_COLUMNS = 80;

type Done = (code: number) => void;

/** The whole command tree; `completion` walks it. */
export function buildProgram(io: Io, version: string, done: Done): Command {
  const program = new Command('mmfleet')
    .description('Declarative GitOps reconciler for fleets of market-making bots')
    .option('-C <dir>', 'the operations repository', '.')
    .version(`mmfleet ${version}`, '-V, --version', 'print the version')
    .showSuggestionAfterError()
    .showHelpAfterError('(mmfleet --help lists the commands)')
    // As wide everywhere: the help is written down when the program is built.
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      getOutHelpWidth: () => HELP_COLUMNS,
      getErrHelpWidth: () => HELP_COLUMNS,
    })
    .exitOverride();
  const common = (command: Command): CommonOptions => ({ ...command.optsWithGlobals<CommonOptions>(), io });

  /** Adds a command whose implementation is loaded when it runs. */
  const add = (
    spec: string,
    about: string,
    run: (names: string[], options: CommonOptions) => Promise<number>,
    shape: (c: Command) => Command = (c) => c,
  ) => {
    const command = shape(program.command(spec).description(about));
    command.action(async (...args: unknown[]) => {
      const positional = args
        .slice(0, -2)
        .flatMap((a) => (Array.isArray(a) ? (a as string[]) : a === undefined ? [] : [String(a)]));
      done(await run(positional, common(command)));
    });
    return command;
  };
  const json = (c: Command) => c.option('--json', 'print one JSON document');
  const chat = (c: Command) => c.option('--chat', 'one table and one action line, or NO_REPLY; always quiet on stderr');
  const filters = (c: Command) =>
    c
      .option('--state <words>', 'only these states, such as held,parked')
      .option('--health <words>', 'only these, such as degraded,stale')
      .option('--sort <by>', 'name, health (worst first), age (oldest data first), pnl (lowest first)')
      .option('--columns <titles>', 'these columns in this order, such as name,health,pnl');
  const reason = (c: Command) => c.requiredOption('--reason <text>', 'why, for the trail');
  const skipSecrets = (c: Command) =>
    c.option('--skip-secrets', 'do not look for the secrets, in a checkout that has none (CI)');
  const timeout = (c: Command) => c.option('--timeout <duration>', 'deadline of the whole command', '10m');
  // What the daemon of this host is called, whoever asks about its instances or acts on them has to be called too.
  const host = (c: Command) => c.option('--host <name>', 'the name of this host for spec.host');

  add(
    'init',
    'write the layout of an operations repository, or import existing env files',
    async (_, o) => (await import('./commands/init.ts')).runInit(o),
    (c) => c.option('--from <env...>', 'env files to import'),
  );
  add(
    'validate',
    'check specs, envs and secrets; no network, no process',
    async (_, o) => (await import('./commands/validate.ts')).runValidate(o),
    (c) => skipSecrets(json(c)),
  );
  add(
    'plan [instances...]',
    'what a pass would do, and why; changes nothing',
    async (n, o) => (await import('./commands/plan.ts')).runPlan(n, o),
    (c) =>
      host(filters(chat(skipSecrets(json(c)))))
        .option('--detailed-exitcode', 'exit 2 when changes are pending')
        .option('--worktree', 'read the specs from the working tree'),
  );
  add(
    'reconcile [instances...]',
    'converge the fleet: once, or as a daemon',
    async (n, o) => (await import('./commands/reconcile.ts')).runReconcile(n, o as WatchOptions),
    (c) =>
      host(timeout(chat(json(c))))
        .option('--once', 'passes until converged (at most 4) or the deadline')
        .option('--watch', 'the daemon: timer, file events, git polling')
        .option('--dry-run', 'plan only')
        .option('--no-push', 'commit, but do not push')
        .option('--no-tune', 'converge only')
        .option('--allow-held', 'held instances do not make the exit code 5'),
  );
  add(
    'status [instances...]',
    'what runs, on which iteration, and how it does',
    async (n, o) => (await import('./commands/status.ts')).runStatus(n, o),
    (c) => host(filters(chat(json(c)))).option('-w, --watch', 'refresh until interrupted'),
  );
  add(
    'why <instance>',
    'every rule of the last decision with its numbers',
    async (n, o) => (await import('./commands/why.ts')).runWhy(n, o as WhyOptions),
    (c) =>
      host(json(c)).option('--at <commit>', 'a past decision, from its commit and the journal where it is still there'),
  );
  add(
    'history [instance]',
    'its iterations, or those of all, from git',
    async (n, o) => (await import('./commands/history.ts')).runHistory(n, o),
    (c) =>
      json(c)
        .option('--all', 'of every instance, newest first')
        .option('--since <date>', 'only those since: 2026-11-01, a UTC time, or a duration such as 7d')
        .option(
          '--plot [what]',
          'a chart over the iterations: effect, or a metric; default: what triggered most of them',
        ),
  );
  add(
    'diff <instance>',
    'base, desired and running env, where they differ',
    async (n, o) => (await import('./commands/diff.ts')).runDiff(n, o),
    (c) => host(json(c)).option('--detailed-exitcode', 'exit 2 when what runs is not what is desired'),
  );
  add(
    'analyse <paths...>',
    'a journal report: files, a folder, a glob, or an instance',
    async (n, o) => (await import('./commands/analyse-cli.ts')).runAnalyseCommand(n, o),
    (c) =>
      json(c)
        .option('--last-fills <n>', 'fills of the realised PnL', '100')
        .option('--tail', 'only the end: the last fills whose markouts are known, however long the journal')
        .option('--assumed-fee-bps <bps>', 'fee instead of the journal’s own', '0'),
  );
  add(
    'replay [instances...]',
    'what the specs would have decided over recorded journals; compares decisions, not profit',
    async (n, o) => (await import('./commands/replay.ts')).runReplay(n, o as ReplayOptions),
    (c) =>
      json(c)
        .requiredOption('--journal <path...>', 'journals: files, folders or globs')
        .option('--baseline <rev>', 'the same under the specs of this revision, and what differs')
        .option('--fail-on <rule...>', 'exit 8 when an instance breaks it, for example "alarmsPerDay>0.5"'),
  );
  add(
    'logs [instances...]',
    'the instances’ output',
    async (n, o) => (await import('./commands/logs.ts')).runLogs(n, o),
    (c) => c.option('-f, --follow', 'go on as it grows').option('-n, --lines <n>', 'lines from the end', '120'),
  );
  for (const verb of ['start', 'stop', 'restart'] as const) {
    const about = {
      start: 'commit the wish Running and converge',
      stop: 'commit the wish Stopped and converge',
      restart: 'flatten, then start again; commits only its receipt',
    }[verb];
    add(
      `${verb} [instances...]`,
      about,
      async (n, o) => (await import('./commands/verbs.ts')).runVerb(verb, n, o),
      (c) => host(timeout(reason(json(c)))),
    );
  }
  for (const verb of ['suspend', 'resume'] as const) {
    const about = { suspend: 'commit: no action at all on these instances', resume: 'commit: act on them again' }[verb];
    add(
      `${verb} <instances...>`,
      about,
      async (n, o) => (await import('./commands/verbs.ts')).runVerb(verb, n, o),
      (c) => {
        const shaped = host(timeout(reason(json(c))));
        return verb === 'suspend' ? shaped.option('--until <time>', 'ISO 8601 UTC; without it until resumed') : shaped;
      },
    );
  }
  add(
    'flatten <instances...>',
    'stop, cancel, close, prove flat; leaves them stopped and held',
    async (n, o) => (await import('./commands/verbs.ts')).runVerb('flatten', n, o),
    (c) => host(timeout(json(c))).option('--reason <text>', 'why, for the trail'),
  );
  add(
    'release <instances...>',
    'lift a hold or a park',
    async (n, o) => (await import('./commands/verbs.ts')).runVerb('release', n, o),
    (c) => host(timeout(reason(json(c)))),
  );
  add(
    'audit <verify> [instances...]',
    'audit verify: every iteration ever committed against the rules of its time, from git alone; exit 8 on a violation',
    async (n, o) => (await import('./commands/audit.ts')).runAudit(n, o),
    json,
  );
  add(
    'rollback <instance>',
    'a new iteration with the values of an earlier one, then converge',
    async (n, o) => (await import('./commands/rollback.ts')).runRollback(n, o as RollbackOptions),
    (c) => host(timeout(reason(json(c)))).requiredOption('--to <iter>', 'whose values: iter007, or base'),
  );
  add(
    'demo',
    'the embedded demo fleet: three simulated bots, the real loop',
    async (_, o) => (await import('./commands/demo.ts')).runDemoCommand(o),
    (c) =>
      c
        .option('--keep', 'leave it running')
        .addOption(new Option('--scenario <name>', 'what happens to the market').default('too-tight')),
  );
  add('completion <shell>', 'a completion script: bash, zsh or fish', async (n, o) =>
    (await import('./commands/completion.ts')).runCompletion(n[0] ?? '', program, o),
  );
  add('version', 'print the version', async () => {
    io.out(`mmfleet ${version}\n`);
    return EXIT.ok;
  });
  return program;
}
