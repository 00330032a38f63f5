import type { Command } from 'commander';
import { EXIT } from '../exit.ts';
import type { CommonOptions } from './options.ts';

/** Prints a completion script for commands, their options and instance names (read from fleet/*.yaml). */
export async function runCompletion(shell: string, program: Command, { io }: CommonOptions): Promise<number> {
  const script = { bash, zsh, fish }[shell];
  if (script === undefined) {
    io.err(`unknown shell "${shell}", want bash, zsh or fish\n`);
    return EXIT.usage;
  }
  io.out(script(program.commands));
  return EXIT.ok;
}

const NAMES = `sed -n 's/^ *\\(metadata: *{ *\\)\\{0,1\\}name: *\\([a-z0-9_-]*\\).*/\\2/p' fleet/*.yaml 2>/dev/null`;

const flags = (command: Command) =>
  command.options.flatMap((o) => [o.short, o.long]).filter((f) => f !== undefined && f !== null);

function bash(commands: readonly Command[]): string {
  const cases = commands.map((c) => `    ${c.name()}) words="${flags(c).join(' ')} $(${NAMES})" ;;`).join('\n');
  return `# mmfleet completion for bash: source <(mmfleet completion bash)
_mmfleet() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" words
  case "\${COMP_WORDS[1]}" in
${cases}
    *) words="${commands.map((c) => c.name()).join(' ')}" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="${commands.map((c) => c.name()).join(' ')}"
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _mmfleet mmfleet
`;
}

function zsh(commands: readonly Command[]): string {
  const list = commands
    .map((c) => `    '${c.name()}:${c.description().replaceAll("'", '').replaceAll(':', '')}'`)
    .join('\n');
  const cases = commands
    .map((c) => `    ${c.name()}) compadd -- ${flags(c).join(' ')} \${(f)"$(${NAMES})"} ;;`)
    .join('\n');
  return `#compdef mmfleet
# mmfleet completion for zsh: source <(mmfleet completion zsh)
_mmfleet() {
  local -a commands=(
${list}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "\${words[2]}" in
${cases}
  esac
}
compdef _mmfleet mmfleet
`;
}

function fish(commands: readonly Command[]): string {
  const lines = commands.flatMap((c) => [
    `complete -c mmfleet -n __fish_use_subcommand -a ${c.name()} -d '${c.description().replaceAll("'", '')}'`,
    ...c.options.map(
      (o) =>
        `complete -c mmfleet -n '__fish_seen_subcommand_from ${c.name()}' ${o.long === undefined || o.long === null ? '' : `-l ${o.long.slice(2)}`} -d '${o.description.replaceAll("'", '')}'`,
    ),
  ]);
  return `# mmfleet completion for fish: mmfleet completion fish | source
complete -c mmfleet -f
complete -c mmfleet -n 'not __fish_use_subcommand' -a "(${NAMES})"
${lines.join('\n')}
`;
}
