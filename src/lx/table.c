/* lx/table.c - the command table; help and completion from it. */
#include "config.h"
#include "lx/lx.h"

#include <stdio.h>
#include <string.h>

#define MANY LX_ARGS_MAX

static const struct lx_command COMMANDS[] = {
    {"status", cmd_status, "", 0, 0, "", "Show the node at a glance."},
    {"stop", cmd_stop, "", 0, 0, "", "Stop the node cleanly."},
    {"backup", cmd_backup, "DIR", 1, 1, "", "Let the node write a copy of its store into a new directory."},
    {"restore", cmd_restore, "DIR", 1, 1, "", "Fill an empty data directory from a backup (node stopped)."},
    {"rpc", cmd_rpc, "METHOD [JSON]", 1, 2, "", "Call an RPC method with a JSON object of parameters."},
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
    {"genesis create", cmd_genesis_create, "", 0, 0, "validator=NAME:PUBKEY:POWER network=NAME",
        "Print a genesis document."},
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
    {"file add", cmd_file_add, "PATH...", 1, MANY, "", "Register files (directories: everything below)."},
    {"file verify", cmd_file_verify, "PATH...", 1, MANY, "recursive",
        "Check files against their registers; names bad byte ranges."},
    {"file update", cmd_file_update, "PATH", 1, 1, "range=OFF:LEN",
        "Register the file's new content; with --range only those bytes are read."},
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
    {"prefix list", cmd_prefix_list, "", 0, 0, "owner=GENESIS-ID|NAME", "List prefixes."},
    {"chain head", cmd_chain_head, "", 0, 0, "", "Show the newest header."},
    {"chain header", cmd_chain_header, "HEIGHT|HASH", 1, 1, "", "Show a header."},
    {"chain block", cmd_chain_block, "HEIGHT|HASH", 1, 1, "", "Show a block."},
    {"chain tx", cmd_chain_tx, "ID", 1, 1, "", "Show a transaction."},
    {"chain export", cmd_chain_export, "FILE", 1, 1, "from=HEIGHT to=HEIGHT",
        "Write headers and certificates to a file."},
    {"chain verify", cmd_chain_verify, "FILE", 1, 1, "", "Verify such a file from the trusted header."},
    {"peer list", cmd_peer_list, "", 0, 0, "", "Show this node's id, its peers and whom it has banned."},
    {"peer add", cmd_peer_add, "ID@HOST:PORT", 1, 1, "", "Stay connected to a node until this one stops."},
    {"peer ban", cmd_peer_ban, "ID|ADDRESS", 1, 1, "seconds=N reason=TEXT", "Drop and ban a node (a day)."},
    {"peer unban", cmd_peer_unban, "ID|ADDRESS", 1, 1, "", "Lift a ban."},
    {NULL, NULL, NULL, 0, 0, NULL, NULL}};

const struct lx_command *
lx_commands(void)
{
        return COMMANDS;
}

static void
show_options(const struct lx_command *c)
{
        const char *at = c->options;

        while (*at != '\0') {
                size_t len = strcspn(at, " "), name = strcspn(at, "= ");

                printf("  --%.*s%s%.*s\n", (int)name, at, name < len ? " " : "",
                    name < len ? (int)(len - name - 1) : 0, at + name + 1);
                at += len;
                at += *at == ' ';
        }
}

static const char global_help[] =
    "  --datadir DIR       data directory (default ~/.lxnode)\n"
    "  --rpc URL|SOCKET    the node (default: the socket in the data directory)\n"
    "  --json              one JSON object (one a line for lists)\n"
    "  --verify            check the proof behind the answer against your own trust\n"
    "  --yes               answer confirmations with yes\n"
    "  --wait accepted|final   when a write returns (default final)\n"
    "  --secret-file FILE  password (line 1) and PIN (line 2), mode 0600\n"
    "  --key-file FILE     sign with a device key file in place of the session\n";

int
cmd_help(struct lx *lx)
{
        char words[64] = "";
        size_t shown = 0;

        for (int i = 0; i < lx->arg_count; i++)
                (void)snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s",
                    i > 0 ? " " : "", lx->args[i]);
        if (words[0] == '\0')
                printf("Usage: lx [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n");
        for (const struct lx_command *c = COMMANDS; c->words != NULL; c++) {
                if (words[0] == '\0') {
                        printf("  %-18s %-28s %s\n", c->words, c->args, c->help);
                        continue;
                }
                if (strncmp(c->words, words, strlen(words)) != 0)
                        continue;
                printf("lx %s %s\n        %s\n", c->words, c->args, c->help);
                show_options(c);
                shown++;
        }
        if (words[0] == '\0')
                printf("\nOptions of every command:\n%s\nExit status: 0 done and true, 1 checked and false, "
                    "2 wrong usage, 3 node unreachable,\n4 refused by the node, 5 I/O error. Manual: lx(1).\n",
                    global_help);
        else if (shown == 0)
                return lx_fail(lx, LX_EXIT_USAGE, "there is no command %s: see lx help", words);
        return LX_EXIT_TRUE;
}

int
cmd_completion(struct lx *lx)
{
        bool zsh = strcmp(lx->args[0], "zsh") == 0;

        if (!zsh && strcmp(lx->args[0], "bash") != 0)
                return lx_fail(lx, LX_EXIT_USAGE, "completion is for bash or zsh");
        if (zsh)
                printf("#compdef lx\nautoload -U +X bashcompinit && bashcompinit\n");
        printf("_lx() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\"\n"
               "  local all=\"");
        for (const struct lx_command *c = COMMANDS; c->words != NULL; c++)
                printf("%s\n", c->words);
        printf("\"\n  if [[ $cur == --* ]]; then\n    COMPREPLY=($(compgen -W \"--datadir --rpc --json "
               "--verify --yes --wait --secret-file --key-file\" -- \"$cur\")); return\n  fi\n"
               "  local next; next=$(sed -n \"s/^${words:+$words }\\([a-z-]*\\).*/\\1/p\" <<<\"$all\" | sort -u)\n"
               "  COMPREPLY=($(compgen -W \"$next\" -- \"$cur\"))\n"
               "  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n"
               "complete -F _lx lx\n");
        return LX_EXIT_TRUE;
}
