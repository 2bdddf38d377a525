/* lx/table.c - the command table; help and completion from it. */
#include "config.h"
#include "lx/lx.h"

#include <stdio.h>
#include <string.h>

#define MANY LX_ARGS_MAX

static const struct lx_command COMMANDS[] = {
    {"status", cmd_status, "", 0, 0, "", "Show the node at a glance."},
    {"top", cmd_top, "", 0, 0, "", "Watch the node live in the terminal (q ends); without one, print a frame."},
    {"stop", cmd_stop, "", 0, 0, "", "Stop the node cleanly."},
    {"backup", cmd_backup, "DIR", 1, 1, "", "Let the node write a copy of its store into a new directory."},
    {"restore", cmd_restore, "DIR", 1, 1, "", "Fill an empty data directory from a backup (node stopped)."},
    {"rpc", cmd_rpc, "METHOD [JSON | NAME=VALUE...]", 1, 32, "", "Call an RPC method."},
    {"help", cmd_help, "[COMMAND]", 0, 3, "", "Show all commands, or one."},
    {"completion", cmd_completion, "bash|zsh", 1, 1, "", "Print a shell completion script."},
    {"profile create", cmd_profile_create, "[NAME]", 0, 1, "kdf-memory=MIB",
        "Create a signature chain: asks for a password and a PIN, shows 24 recovery words once."},
    {"profile show", cmd_profile_show, "[NAME]", 0, 1, "", "Show a profile (yours without NAME)."},
    {"profile passwd", cmd_profile_passwd, "NAME", 1, 1, "new-secret-file=FILE kdf-memory=MIB",
        "Change password and PIN."},
    {"profile recover", cmd_profile_recover, "NAME", 1, 1, "words-file=FILE new-secret-file=FILE kdf-memory=MIB",
        "Regain control with the 24 words; sets a new password and new words."},
    {"login", cmd_login, "NAME", 1, 1, "timeout=SECONDS", "Unlock a profile for this session (15 idle minutes)."},
    {"logout", cmd_logout, "", 0, 0, "", "Forget the unlocked keys."},
    {"genesis create", cmd_genesis_create, "", 0, 0,
        "validator=NAME:PUBKEY:POWER network=NAME prefix=PREFIX:GENESIS-ID",
        "Print a genesis document. --prefix: an address prefix of the overlay and who owns it (may be given again)."},
    {"keygen", cmd_keygen, "validator|node|device FILE", 2, 2, "", "Make a key file."},
    {"trust set", cmd_trust_set, "HEIGHT:HASH|GENESIS-FILE", 1, 1, "",
        "Trust a header (checked with its certificate) or a genesis document."},
    {"trust publisher", cmd_trust_publisher, "NAME|GENESIS-ID", 1, 1, "remove", "Trust a publisher of binaries."},
    {"trust show", cmd_trust_show, "", 0, 0, "", "Show what is trusted."},
    {"binary publish", cmd_binary_publish, "PATH...", 1, MANY, "release=NAME version=TEXT",
        "Publish files (directories: all executables and libraries below) as one release."},
    {"binary approve", cmd_binary_approve, "PATH...", 1, MANY, "release=NAME version=TEXT",
        "Approve files for your own machines."},
    {"binary revoke", cmd_binary_revoke, "DIGEST", 1, 1, "", "Revoke a digest that you published, for ever."},
    {"binary lookup", cmd_binary_lookup, "DIGEST|PATH", 1, 1, "", "Who published this?"},
    {"binary verify", cmd_binary_verify, "PATH...", 1, MANY, "",
        "Check files against what was published under their paths; names bad byte ranges."},
    {"file add", cmd_file_add, "PATH...", 1, MANY, "keep",
        "Register files (directories: everything below); --keep: the node keeps their content for lxguard."},
    {"file verify", cmd_file_verify, "PATH...", 1, MANY, "recursive",
        "Check files against their registers; names bad byte ranges; -r: and what is new or missing below."},
    {"file update", cmd_file_update, "PATH", 1, 1, "range=OFF:LEN from=FILE keep",
        "Register the file's new content (--from: that of FILE); with --range only those bytes are read."},
    {"file root", cmd_file_root, "PATH|ADDRESS", 1, 1, "", "Show the root of a file or of a register."},
    {"file prove", cmd_file_prove, "PATH", 1, 1, "range=OFF:LEN",
        "Print the proof that a byte range belongs to the registered file."},
    {"register create", cmd_register_create, "", 0, 0, "kind=raw|readonly|append standard=NAME data=STRING|@FILE",
        "Create a register."},
    {"register get", cmd_register_get, "ADDRESS", 1, 1, "height=N", "Show a register, now or as of a height."},
    {"register list", cmd_register_list, "", 0, 0, "owner=GENESIS-ID|NAME standard=NAME",
        "List registers (yours by default)."},
    {"register write", cmd_register_write, "ADDRESS", 1, 1, "data=STRING|@FILE", "Write a raw register."},
    {"register append", cmd_register_append, "ADDRESS", 1, 1, "data=STRING|@FILE", "Append an entry."},
    {"register transfer", cmd_register_transfer, "ADDRESS NAME|GENESIS-ID", 2, 2, "",
        "Offer a register to another profile."},
    {"register claim", cmd_register_claim, "ADDRESS", 1, 1, "", "Take a register that was offered to you."},
    {"register history", cmd_register_history, "ADDRESS", 1, 1, "", "The heights at which it changed."},
    {"register prove", cmd_register_prove, "ADDRESS", 1, 1, "", "Print a register with its proof, as JSON."},
    {"name claim", cmd_name_claim, "NAME", 1, 1, "target=ADDRESS", "Take a name."},
    {"name resolve", cmd_name_resolve, "NAME", 1, 1, "", "Where does a name point to?"},
    {"name list", cmd_name_list, "", 0, 0, "owner=GENESIS-ID|NAME", "List names."},
    {"token create", cmd_token_create, "NAME SUPPLY", 2, 2, "decimals=N", "Create a token."},
    {"token send", cmd_token_send, "FROM TO AMOUNT", 3, 3, "expiry=HEIGHT",
        "Send from a token or account to an account."},
    {"token receive", cmd_token_receive, "ACCOUNT", 1, 1, "", "Credit everything that was sent to an account."},
    {"token balance", cmd_token_balance, "[ADDRESS]", 0, 1, "token=ADDRESS",
        "Show balances; with --token: open an account for it."},
    {"prefix claim", cmd_prefix_claim, "ADDRESS", 1, 1, "", "Take a prefix that was delegated to you."},
    {"prefix delegate", cmd_prefix_delegate, "PREFIX NAME|GENESIS-ID", 2, 2, "instance=N",
        "Make a prefix inside one of yours and offer it."},
    {"prefix revoke", cmd_prefix_revoke, "PREFIX|REGISTER", 1, 1, "instance=N",
        "Take back a prefix inside one of yours, whoever has it now; it is reached nowhere until you bind it."},
    {"prefix list", cmd_prefix_list, "", 0, 0, "owner=GENESIS-ID|NAME", "List prefixes."},
    {"validator propose", cmd_validator_propose, "FILE", 1, 1,
        "add=NAME:PUBKEY:POWER remove=NAME|PUBKEY power=NAME:POWER blocks=N",
        "Propose another set of validators, into a file for all of them to sign."},
    {"validator sign", cmd_validator_sign, "FILE", 1, 1, "validator-key=FILE",
        "Sign such a proposal, after looking at it."},
    {"validator submit", cmd_validator_submit, "FILE...", 1, MANY, "",
        "Hand it in when more than two thirds of the power signed (the file, or copies of it)."},
    {"parameter propose", cmd_parameter_propose, "NAME=VALUE... FILE", 2, MANY, "blocks=N",
        "Propose other parameters of the network (the rule version too), into a file."},
    {"parameter sign", cmd_parameter_sign, "FILE", 1, 1, "validator-key=FILE",
        "Sign such a proposal, after looking at it."},
    {"parameter submit", cmd_parameter_submit, "FILE...", 1, MANY, "", "Hand it in when enough signed."},
    {"node propose", cmd_node_propose, "REGISTER FILE", 2, 2, "roles=N blocks=N",
        "Propose to admit a node (1: it serves mappings of the overlay; 0: no more), into a file."},
    {"node sign", cmd_node_sign, "FILE", 1, 1, "validator-key=FILE", "Sign such a proposal, after looking at it."},
    {"node submit", cmd_node_submit, "FILE...", 1, MANY, "", "Hand it in when enough signed."},
    {"eid create", cmd_eid_create, "KEY-FILE", 1, 1, "rlocs=ADDRESS,... ttl=MINUTES plain",
        "Register the EID of a key file (made when there is none); prints the address. --plain: sealing is optional."},
    {"eid show", cmd_eid_show, "KEY-FILE|EID|REGISTER", 1, 1, "",
        "Show an EID, and whether the key file has its key; false when it is not registered."},
    {"eid serve", cmd_eid_serve, "KEY-FILE ADDRESS,...", 2, 2, "admit-with=VALIDATOR-KEY-FILE",
        "Register a node that serves mappings at these addresses; with the key of a network's one validator it is "
        "admitted at once."},
    {"eid rekey", cmd_eid_rekey, "KEY-FILE|EID|REGISTER NEW-KEY-FILE", 2, 2, "",
        "Give an EID of yours another key (made when there is none); the EID stays. Its node runs with --router-eid "
        "EID=NEW-KEY-FILE from then on."},
    {"eid revoke", cmd_eid_revoke, "KEY-FILE|EID|REGISTER", 1, 1, "",
        "Take the key of an EID of yours off the ledger: no router delivers to it or takes from it any more."},
    {"eid bind", cmd_eid_bind, "PREFIX|REGISTER EID-REGISTER|none", 2, 2, "",
        "Reach a prefix of yours where an EID is (or nowhere); made when it lies in one of yours and is none yet."},
    {"route list", cmd_route_list, "", 0, 0, "", "Show the routes that the node knows."},
    {"route resolve", cmd_route_resolve, "EID", 1, 1, "",
        "Find where an EID is reached. With --verify it is proven whether anybody owns it."},
    {"route register", cmd_route_register, "", 0, 0, "", "Let the node register its EIDs again, now."},
    {"chain head", cmd_chain_head, "", 0, 0, "", "Show the newest header."},
    {"chain header", cmd_chain_header, "HEIGHT|HASH", 1, 1, "", "Show a header."},
    {"chain block", cmd_chain_block, "HEIGHT|HASH", 1, 1, "", "Show a block."},
    {"chain tx", cmd_chain_tx, "ID", 1, 1, "", "Show a transaction."},
    {"chain waiting", cmd_chain_waiting, "", 0, 0, "",
        "Show the transactions of yours that wait for a block at this node, with their ids."},
    {"chain drop", cmd_chain_drop, "ID", 1, 1, "",
        "Drop a transaction of yours that waits, with those behind it; its place is free for another."},
    {"chain export", cmd_chain_export, "[FILE]", 0, 1, "from=HEIGHT to=HEIGHT light watch=NAME,...",
        "Write headers and certificates to a file; with --light a pass for light nodes, from the newest header that "
        "they have, with states (to standard output without FILE)."},
    {"chain broadcast", cmd_chain_broadcast, "ADDRESS:PORT", 1, 1,
        "from=HEIGHT watch=NAME,... rate=BIT/S packets=N",
        "Send such a pass by UDP, one way, to one address or a multicast group: erasure-coded packets, at --rate "
        "(default 100000), --packets of them (default: three times what is needed; 0: until stopped)."},
    {"chain import", cmd_chain_import, "FILE", 1, 1, "",
        "Verify a file of headers from the trusted one, and trust its end; a pass goes to the light node, which "
        "verifies it."},
    {"chain verify", cmd_chain_verify, "FILE", 1, 1, "",
        "Verify such a file of headers from the trusted one; what does not begin there is not proven."},
    {"contact list", cmd_contact_list, "", 0, 0, "",
        "Show the stations that a light node met, what they turned out to be, and evidence of forks."},
    {"contact next", cmd_contact_next, "", 0, 0, "", "Show when its next contact is, and what is still missing."},
    {"peer list", cmd_peer_list, "", 0, 0, "", "Show this node's id, its peers and whom it has banned."},
    {"peer add", cmd_peer_add, "ID@HOST:PORT", 1, 1, "", "Stay connected to a node until this one stops."},
    {"peer ban", cmd_peer_ban, "ID|ADDRESS", 1, 1, "seconds=N reason=TEXT", "Drop and ban a node (a day)."},
    {"peer unban", cmd_peer_unban, "ID|ADDRESS", 1, 1, "", "Lift a ban."},
    {"guard status", cmd_guard_status, "", 0, 0, "socket=PATH conf=FILE",
        "Show what lxguard guards, by which gates, and what it does not cover."},
    {"guard log", cmd_guard_log, "", 0, 0, "socket=PATH conf=FILE lines=N", "Show its newest denials and findings."},
    {"guard why", cmd_guard_why, "PATH", 1, 1, "socket=PATH conf=FILE", "May this file run, and by which rule?"},
    {"guard scan", cmd_guard_scan, "", 0, 0, "socket=PATH conf=FILE full",
        "Look through everything that runs now; --full compares its memory with the ledger."},
    {"guard learn", cmd_guard_learn, "[PATH...]", 0, MANY, "release=NAME version=TEXT dry-run",
        "Approve all programs of this machine's packages that match dpkg's checksums (or PATHs)."},
    {"guard trust", cmd_guard_trust, "NAME|GENESIS-ID", 1, 1, "own socket=PATH conf=FILE",
        "Let the guard trust a publisher, or with --own your own approvals too; pins your trusted header."},
    {NULL, NULL, NULL, 0, 0, NULL, NULL}};

const struct lx_command *
lx_commands(void)
{
        return COMMANDS;
}

/* ---- what is not proven ------------------------------------------------------------------------ */

/* Commands that show what the node says as it says it: --verify must not be taken for a proof. */
static const char *const UNPROVEN[] = {"rpc", NULL};

bool
lx_is_unproven(const struct lx_command *command)
{
        for (size_t i = 0; UNPROVEN[i] != NULL; i++)
                if (strcmp(command->words, UNPROVEN[i]) == 0)
                        return true;
        return false;
}

/* ---- help -------------------------------------------------------------------------------------- */

/* A row's options are words "name" or "name=VALUE"; @each is called for every one. */
static void
each_option(const char *options,
    void (*each)(void *arg, const char *name, size_t len, const char *value, size_t value_len), void *arg)
{
        const char *at = options;

        while (*at != '\0') {
                size_t len = strcspn(at, " "), name = strcspn(at, "= ");

                each(arg, at, name, name < len ? at + name + 1 : NULL, name < len ? len - name - 1 : 0);
                at += len;
                at += *at == ' ';
        }
}

static void
show_option(void *arg, const char *name, size_t len, const char *value, size_t value_len)
{
        (void)arg;
        printf("        --%.*s%s%.*s\n", (int)len, name, value != NULL ? " " : "", (int)value_len,
            value != NULL ? value : "");
}

static void
show_command(const struct lx_command *c)
{
        printf("  lx %s%s%s\n        %s\n", c->words, c->args[0] != '\0' ? " " : "", c->args, c->help);
        each_option(c->options, show_option, NULL);
        if (strcmp(c->words, "file verify") == 0)
                printf("        -r is --recursive\n");
}

static const char global_help[] =
    "  --datadir DIR       data directory (default ~/.lxnode)\n"
    "  --rpc URL|SOCKET    the node (default: the socket in the data directory)\n"
    "  --json              one JSON object (one a line for lists)\n"
    "  --verify            check the proof behind the answer against your own trust\n"
    "  --yes               answer confirmations with yes\n"
    "  --wait accepted|final   when a write returns (default final)\n"
    "  --secret-file FILE  password (line 1) and PIN (line 2), mode 0600\n"
    "  --key-file FILE     sign with a device key file in place of the session\n"
    "  --help              help for a command;  --version  the version\n";

/* Whether the row is what @words names: the command itself, or its group. */
static bool
is_named(const struct lx_command *c, const char *words)
{
        size_t len = strlen(words);

        return strncmp(c->words, words, len) == 0 && (c->words[len] == '\0' || c->words[len] == ' ');
}

size_t
lx_show_help(const char *words)
{
        size_t shown = 0;

        for (const struct lx_command *c = COMMANDS; c->words != NULL; c++)
                if (strcmp(words, "all") == 0 || is_named(c, words)) {
                        show_command(c);
                        shown++;
                }
        return shown;
}

static void
show_frame(bool before)
{
        if (before)
                printf("Usage: lx [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n");
        else
                printf("\nOptions of every command:\n%s\nExit status: 0 done and true, 1 checked and false, "
                    "2 wrong usage, 3 node unreachable,\n4 refused by the node, 5 I/O error. "
                    "lx help COMMAND, lx help all; manual: lx(1).\n", global_help);
}

int
cmd_help(struct lx *lx)
{
        char words[64] = "";

        for (int i = 0; i < lx->arg_count; i++)
                (void)snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s",
                    i > 0 ? " " : "", lx->args[i]);
        if (words[0] == '\0' || strcmp(words, "all") == 0)
                show_frame(true);
        if (words[0] == '\0') {
                for (const struct lx_command *c = COMMANDS; c->words != NULL; c++)
                        printf("  %-18s %-26s %s\n", c->words, c->args, c->help);
        } else if (lx_show_help(words) == 0) {
                return lx_fail(lx, LX_EXIT_USAGE, "there is no command %s: see lx help", words);
        }
        if (words[0] == '\0' || strcmp(words, "all") == 0)
                show_frame(false);
        return LX_EXIT_TRUE;
}

/* ---- completion -------------------------------------------------------------------------------- */

#define GLOBAL_WORDS "--datadir --rpc --json --verify --yes --wait --secret-file --key-file --help"

static void
print_option_word(void *arg, const char *name, size_t len, const char *value, size_t value_len)
{
        (void)arg;
        (void)value;
        (void)value_len;
        printf(" --%.*s", (int)len, name);
}

/* A case that completes the value of an option: files, or the words of "a|b". */
static void
print_option_value(void *arg, const char *name, size_t len, const char *value, size_t value_len)
{
        bool file = value_len >= 4 && strncmp(value + value_len - 4, "FILE", 4) == 0;

        (void)arg;
        if (value == NULL)
                return;
        printf("  --%.*s) ", (int)len, name);
        if (file)
                printf("COMPREPLY=($(compgen -f -- \"$cur\"))");
        else if (memchr(value, '|', value_len) != NULL && value[0] >= 'a' && value[0] <= 'z')
                printf("COMPREPLY=($(compgen -W \"$(echo '%.*s' | tr '|' ' ')\" -- \"$cur\"))", (int)value_len, value);
        else
                printf(":");
        printf("; return ;;\n");
}

static void
print_value_word(void *arg, const char *name, size_t len, const char *value, size_t value_len)
{
        (void)arg;
        (void)value_len;
        if (value != NULL)
                printf(" | --%.*s", (int)len, name);
}

/* What a command's arguments are: files, directories, words, or nothing that can be known. */
static void
print_arguments(const struct lx_command *c)
{
        if (c->args[0] >= 'a' && c->args[0] <= 'z')
                printf("COMPREPLY=($(compgen -W \"$(echo '%.*s' | tr '|' ' ')\" -- \"$cur\")); ",
                    (int)strcspn(c->args, " "), c->args);
        if (strstr(c->args, "PATH") != NULL || strstr(c->args, "FILE") != NULL)
                printf("COMPREPLY+=($(compgen -f -- \"$cur\"))");
        else if (strstr(c->args, "DIR") != NULL)
                printf("COMPREPLY+=($(compgen -d -- \"$cur\"))");
        else
                printf(":");
}

static void
print_groups(void)
{
        const char *last = "";
        size_t last_len = 0;

        for (const struct lx_command *c = COMMANDS; c->words != NULL; c++) {
                size_t len = strcspn(c->words, " ");

                if (c->words[len] == '\0' || (len == last_len && strncmp(c->words, last, len) == 0))
                        continue;
                last = c->words;
                last_len = len;
                printf("  '%.*s') COMPREPLY=($(compgen -W \"", (int)len, c->words);
                for (const struct lx_command *d = COMMANDS; d->words != NULL; d++)
                        if (strncmp(d->words, c->words, len + 1) == 0)
                                printf("%s ", d->words + len + 1);
                printf("\" -- \"$cur\")) ;;\n");
        }
}

/* One script for both: zsh runs it by its bash emulation. */
static void
print_completion(void)
{
        printf("_lx() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" said='' i w\n"
               "  COMPREPLY=()\n  case \"$prev\" in\n"
               "  --datadir) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
               "  --rpc | --secret-file | --key-file) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
               "  --wait) COMPREPLY=($(compgen -W 'accepted final' -- \"$cur\")); return ;;\n");
        for (const struct lx_command *c = COMMANDS; c->words != NULL; c++)
                each_option(c->options, print_option_value, NULL);
        printf("  esac\n  for ((i = 1; i < COMP_CWORD; i++)); do\n    w=\"${COMP_WORDS[i]}\"\n    case \"$w\" in\n"
               "    --datadir | --rpc | --secret-file | --key-file | --wait");
        for (const struct lx_command *c = COMMANDS; c->words != NULL; c++)
                each_option(c->options, print_value_word, NULL);
        printf(") i=$((i + 1)) ;;\n    -*) ;;\n    *) said=\"$said${said:+ }$w\" ;;\n    esac\n  done\n"
               "  case \"$said\" in\n  '') COMPREPLY=($(compgen -W \"");
        for (const struct lx_command *c = COMMANDS; c->words != NULL; c++)
                printf("%.*s ", (int)strcspn(c->words, " "), c->words);
        printf(GLOBAL_WORDS "\" -- \"$cur\" | sort -u)) ;;\n");
        print_groups();
        for (const struct lx_command *c = COMMANDS; c->words != NULL; c++) {
                printf("  '%s' | '%s '*) if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"", c->words, c->words);
                each_option(c->options, print_option_word, NULL);
                printf(" " GLOBAL_WORDS "\" -- \"$cur\")); else ");
                print_arguments(c);
                printf("; fi ;;\n");
        }
        printf("  esac\n}\ncomplete -o filenames -F _lx lx\n");
}

int
cmd_completion(struct lx *lx)
{
        bool zsh = strcmp(lx->args[0], "zsh") == 0;

        if (!zsh && strcmp(lx->args[0], "bash") != 0)
                return lx_fail(lx, LX_EXIT_USAGE, "completion is for bash or zsh");
        printf("# Completion of lx: source <(lx completion %s)\n", lx->args[0]);
        if (zsh)
                printf("autoload -Uz compinit bashcompinit\n(( $+functions[compdef] )) || compinit -u\nbashcompinit\n");
        print_completion();
        return LX_EXIT_TRUE;
}
