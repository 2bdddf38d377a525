/*
 * tests/unit/check_bft.c - the consensus machine on a false clock: scripts of messages, time and
 * expected wishes (tests/scenario/bft), bounds, exact quorums, rotation of proposers.
 *
 * A script is lines; # begins a comment. Values are letters, nil is nothing; - is round -1. The proposer of
 * round r is validator r modulo their number. Every wish must be named before the next input.
 *   set POWER...                 a new machine of height 1; timeouts 1000, 500, 500 (half more a round)
 *   self N                       own place (-1: observer); first line after set
 *   start | at MS | built ROUND V | valid V | invalid V
 *   proposal ROUND V VALIDROUND [late] [ignored]
 *   prevote FROM ROUND V [VALIDROUND] [ignored] | precommit FROM ROUND V [ignored]
 *   restore ROUND STEP LOCKEDROUND V VALIDROUND V
 *   wish build ROUND | wish propose ROUND V VALIDROUND | wish prevote ROUND V VALIDROUND
 *   wish precommit ROUND V | wish check ROUND V | wish decide ROUND V | wish evidence VOTER
 *   quiet                        no wish is left
 *   state ROUND STEP LOCKEDROUND V VALIDROUND V
 *   deadline MS|never
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/bft.h"
#include "ledger/evidence.h"
#include "ledger/proposer.h"
#include "unit.h"

#include <dirent.h>

struct script {
        const char *file;
        int line;
        struct sigchain_valset set;
        int self;
        struct ledger_bft *bft;
        uint64_t now;
        char *word[12];
        size_t words;
};

#define MUST(s, cond, ...)                                                                         \
        do {                                                                                       \
                if (!(cond)) {                                                                     \
                        char text_[256];                                                           \
                        snprintf(text_, sizeof(text_), __VA_ARGS__);                               \
                        ck_abort_msg("%s:%d: %s", (s)->file, (s)->line, text_);                    \
                }                                                                                  \
        } while (0)

static uint16_t
in_turn(void *arg, uint32_t round)
{
        return (uint16_t)(round % ((const struct script *)arg)->set.count);
}

static void
make_set(struct sigchain_valset *set, const uint64_t *power, size_t count)
{
        *set = (struct sigchain_valset){.count = count};
        for (size_t i = 0; i < count; i++) {
                set->v[i].key.b[0] = (uint8_t)(i + 1);
                set->v[i].power = power[i];
                set->total += power[i];
        }
}

static struct lx_hash
value_of(struct script *s, size_t i)
{
        struct lx_hash h = {{0}};

        MUST(s, i < s->words, "a value is missing");
        if (strcmp(s->word[i], "nil") != 0)
                h.b[0] = (uint8_t)s->word[i][0];
        return h;
}

static uint32_t
round_of(struct script *s, size_t i)
{
        MUST(s, i < s->words, "a round is missing");
        return strcmp(s->word[i], "-") == 0 ? LEDGER_NO_ROUND
                                            : (uint32_t)strtoul(s->word[i], NULL, 10);
}

static bool
ends_with(const struct script *s, const char *word)
{
        return s->words > 0 && strcmp(s->word[s->words - 1], word) == 0;
}

static enum ledger_step
step_of(struct script *s, size_t i)
{
        static const char *const names[] = {"idle", "propose", "prevote", "precommit", "decided"};

        for (unsigned n = 0; i < s->words && n < 5; n++)
                if (strcmp(s->word[i], names[n]) == 0)
                        return (enum ledger_step)n;
        MUST(s, false, "no such step");
        return LEDGER_STEP_IDLE;
}

static void
begin(struct script *s)
{
        struct ledger_bft_options options = {.height = 1,
            .set = &s->set,
            .self = s->self,
            .propose_ms = 1000,
            .prevote_ms = 500,
            .precommit_ms = 500,
            .proposer = in_turn,
            .arg = s};

        ledger_bft_free(s->bft);
        s->bft = ledger_bft_new(&options);
        s->now = 0;
}

static struct ledger_bft_state
state_of(struct script *s)
{
        return (struct ledger_bft_state){.round = round_of(s, 1),
            .step = step_of(s, 2),
            .locked_round = round_of(s, 3),
            .locked = value_of(s, 4),
            .valid_round = round_of(s, 5),
            .valid = value_of(s, 6)};
}

static const char *const WISHES[] = {
    "build", "propose", "prevote", "precommit", "check", "decide", "evidence"};

static void
expect_wish(struct script *s)
{
        struct ledger_bft_wish w = {.type = LEDGER_BFT_BUILD};
        bool there = ledger_bft_next(s->bft, &w);

        MUST(s, there, "there is no wish");
        MUST(s, strcmp(s->word[1], WISHES[w.type]) == 0, "the wish is %s of round %u, value %c",
            WISHES[w.type], w.round, w.value.b[0] != 0 ? w.value.b[0] : '0');
        if (w.type == LEDGER_BFT_EVIDENCE) {
                MUST(s, w.first.voter == round_of(s, 2) && w.second.voter == w.first.voter,
                    "evidence against %u", w.first.voter);
                return;
        }
        MUST(s, w.round == round_of(s, 2), "the wish is of round %u", w.round);
        if (w.type != LEDGER_BFT_BUILD) {
                struct lx_hash v = value_of(s, 3);

                MUST(s, lx_hash_eq(&w.value, &v), "the value is %c", w.value.b[0] ? w.value.b[0] : '0');
        }
        if (w.type == LEDGER_BFT_PROPOSE || w.type == LEDGER_BFT_PREVOTE)
                MUST(s, w.valid_round == round_of(s, 4), "the valid round is %d", (int)w.valid_round);
}

static void
cast_vote(struct script *s, enum ledger_vote type)
{
        bool ignored = ends_with(s, "ignored");
        struct ledger_ballot b = {.type = type,
            .height = 1,
            .voter = (uint16_t)round_of(s, 1),
            .round = round_of(s, 2),
            .value = value_of(s, 3),
            .valid_round = LEDGER_NO_ROUND};

        if (type == LEDGER_VOTE_PREVOTE && s->words - ignored > 4)
                b.valid_round = round_of(s, 4);
        MUST(s, ledger_bft_add_vote(s->bft, &b, s->now) == !ignored, "%s",
            ignored ? "the vote was kept" : "the vote was not kept");
}

static void
input(struct script *s)
{
        const char *cmd = s->word[0];
        struct ledger_bft_wish w;

        MUST(s, !ledger_bft_next(s->bft, &w), "there is a wish that nobody named: %s of round %u, value %c",
            WISHES[w.type], w.round, w.value.b[0] ? w.value.b[0] : '0');
        if (strcmp(cmd, "start") == 0) {
                ledger_bft_start(s->bft, s->now);
        } else if (strcmp(cmd, "at") == 0) {
                s->now = strtoull(s->word[1], NULL, 10);
                ledger_bft_tick(s->bft, s->now);
        } else if (strcmp(cmd, "proposal") == 0) {
                struct lx_hash v = value_of(s, 2);
                bool ignored = ends_with(s, "ignored"), late = s->words > 4 && strcmp(s->word[4], "late") == 0;

                MUST(s, ledger_bft_add_proposal(s->bft, round_of(s, 1), &v, round_of(s, 3), !late,
                    s->now) == !ignored, "%s", ignored ? "it was kept" : "it was not kept");
        } else if (strcmp(cmd, "built") == 0) {
                struct lx_hash v = value_of(s, 2);

                ledger_bft_built(s->bft, round_of(s, 1), &v, s->now);
        } else if (strcmp(cmd, "valid") == 0 || strcmp(cmd, "invalid") == 0) {
                struct lx_hash v = value_of(s, 1);

                ledger_bft_judge(s->bft, &v, cmd[0] == 'v', s->now);
        } else if (strcmp(cmd, "prevote") == 0) {
                cast_vote(s, LEDGER_VOTE_PREVOTE);
        } else if (strcmp(cmd, "precommit") == 0) {
                cast_vote(s, LEDGER_VOTE_PRECOMMIT);
        } else if (strcmp(cmd, "restore") == 0) {
                struct ledger_bft_state state = state_of(s);

                ledger_bft_restore(s->bft, &state, s->now);
        } else if (strcmp(cmd, "quiet") != 0) {
                MUST(s, false, "unknown command %s", cmd);
        }
}

static void
expect_state(struct script *s)
{
        struct ledger_bft_state want = state_of(s), is;

        ledger_bft_get_state(s->bft, &is);
        MUST(s, is.round == want.round && is.step == want.step, "round %u step %d", is.round, (int)is.step);
        MUST(s, is.locked_round == want.locked_round && lx_hash_eq(&is.locked, &want.locked),
            "locked %d %c", (int)is.locked_round, is.locked.b[0] ? is.locked.b[0] : '0');
        MUST(s, is.valid_round == want.valid_round && lx_hash_eq(&is.valid, &want.valid),
            "valid %d %c", (int)is.valid_round, is.valid.b[0] ? is.valid.b[0] : '0');
}

static void
run_line(struct script *s)
{
        if (strcmp(s->word[0], "set") == 0) {
                uint64_t power[SIGCHAIN_VALIDATORS_MAX];

                for (size_t i = 1; i < s->words; i++)
                        power[i - 1] = strtoull(s->word[i], NULL, 10);
                make_set(&s->set, power, s->words - 1);
                s->self = 0;
                begin(s);
        } else if (strcmp(s->word[0], "self") == 0) {
                s->self = (int)strtol(s->word[1], NULL, 10);
                begin(s);
        } else if (strcmp(s->word[0], "wish") == 0) {
                expect_wish(s);
        } else if (strcmp(s->word[0], "state") == 0) {
                expect_state(s);
        } else if (strcmp(s->word[0], "deadline") == 0) {
                uint64_t at = ledger_bft_deadline_ms(s->bft);

                MUST(s, at == (s->word[1][0] == 'n' ? UINT64_MAX : strtoull(s->word[1], NULL, 10)),
                    "the deadline is %llu", (unsigned long long)at);
        } else {
                input(s);
        }
}

static void
run_script(const char *path, const char *name)
{
        struct script s = {.file = name};
        char line[256], *save = NULL;
        FILE *f = fopen(path, "r");

        ck_assert_msg(f != NULL, "cannot open %s", path);
        while (fgets(line, sizeof(line), f) != NULL) {
                s.line++;
                line[strcspn(line, "#\n")] = '\0';
                s.words = 0;
                for (char *w = strtok_r(line, " ", &save); w != NULL && s.words < 12;
                     w = strtok_r(NULL, " ", &save))
                        s.word[s.words++] = w;
                if (s.words > 0)
                        run_line(&s);
        }
        s.word[0] = (char *)"quiet";
        if (s.bft != NULL)
                input(&s);
        ledger_bft_free(s.bft);
        fclose(f);
}

START_TEST(scripts_hold)
{
        const char *src = getenv("LX_SRCDIR");
        char dir[4096], path[8192];
        struct dirent *entry;
        unsigned count = 0;
        DIR *d;

        snprintf(dir, sizeof(dir), "%s/tests/scenario/bft", src != NULL ? src : ".");
        d = opendir(dir);
        ck_assert_msg(d != NULL, "cannot open %s", dir);
        while ((entry = readdir(d)) != NULL)
                if (strstr(entry->d_name, ".scn") != NULL) {
                        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
                        run_script(path, entry->d_name);
                        count++;
                }
        closedir(d);
        ck_assert_uint_ge(count, 10);
}
END_TEST

/* ---- bounds and numbers ------------------------------------------------------------------------- */

static struct ledger_ballot
prevote_of(uint16_t voter, uint32_t round, uint8_t value)
{
        return (struct ledger_ballot){.type = LEDGER_VOTE_PREVOTE, .height = 1, .voter = voter,
            .round = round, .value = {{value}}, .valid_round = LEDGER_NO_ROUND};
}

static size_t
count_votes(const struct ledger_bft *bft)
{
        size_t pos = 0, count = 0;

        while (ledger_bft_each(bft, &pos) != NULL)
                count++;
        return count;
}

/* One voter sends votes of a million rounds and of a hundred values: little is kept. */
START_TEST(a_flood_of_rounds_is_bounded)
{
        struct script s = {.file = "flood", .self = 0};
        struct ledger_bft_wish w;
        uint64_t power[4] = {1, 1, 1, 1};
        struct ledger_ballot b;

        make_set(&s.set, power, 4);
        begin(&s);
        ledger_bft_start(s.bft, 0);
        for (uint32_t r = 1000000; r > LEDGER_ROUNDS_AHEAD; r -= 111) {
                b = prevote_of(1, r, 'A');
                (void)ledger_bft_add_vote(s.bft, &b, 0);
        }
        ck_assert_uint_eq(count_votes(s.bft), 1);
        for (uint32_t r = 0; r < 1000000; r += 111) {
                b = prevote_of(2, r, 'A');
                (void)ledger_bft_add_vote(s.bft, &b, 0);
        }
        ck_assert_uint_le(count_votes(s.bft), 1 + 1 + LEDGER_ROUNDS_AHEAD + 1);
        for (uint8_t v = 1; v < 100; v++) {
                b = prevote_of(3, 0, v);
                (void)ledger_bft_add_vote(s.bft, &b, 0);
        }
        ck_assert_uint_le(count_votes(s.bft), 1 + 1 + LEDGER_ROUNDS_AHEAD + 1 + LEDGER_BALLOTS_EACH);
        while (ledger_bft_next(s.bft, &w))
                ck_assert(w.type == LEDGER_BFT_BUILD || (w.type == LEDGER_BFT_EVIDENCE && w.first.voter == 3));
        ledger_bft_free(s.bft);
}
END_TEST

/* Quorums in exact integers, at the largest powers too. */
START_TEST(quorums_are_exact)
{
        const uint64_t max = SIGCHAIN_POWER_MAX;

        ck_assert(!sigchain_is_two_thirds(2, 3) && sigchain_is_two_thirds(3, 3));
        ck_assert(!sigchain_is_two_thirds(2, 4) && sigchain_is_two_thirds(3, 4));
        ck_assert(!sigchain_is_one_third(1, 3) && sigchain_is_one_third(2, 3));
        ck_assert(!sigchain_is_one_third(1, 4) && sigchain_is_one_third(2, 4));
        ck_assert(!sigchain_is_two_thirds(2 * max, 3 * max));
        ck_assert(sigchain_is_two_thirds(2 * max + 1, 3 * max));
        ck_assert(sigchain_is_two_thirds(128 * max, 128 * max));
        ck_assert(!sigchain_is_two_thirds(85 * max, 128 * max));
        ck_assert(sigchain_is_two_thirds(86 * max, 128 * max));
}
END_TEST

START_TEST(proposers_rotate_by_power)
{
        uint64_t power[4] = {1, 2, 3, 10};
        struct sigchain_valset set, grown;
        struct ledger_rotation rotation;
        unsigned turns[4] = {0};
        int64_t sum = 0;

        make_set(&set, power, 4);
        ledger_rotation_init(&set, &rotation);
        ck_assert_uint_eq(ledger_rotation_proposer(&rotation, &set, 0), 3);
        for (unsigned i = 0; i < 1600; i++) {
                uint16_t next = ledger_rotation_proposer(&rotation, &set, 1), now;

                now = ledger_rotation_turn(&rotation, &set);
                turns[now]++;
                ck_assert_uint_eq(ledger_rotation_proposer(&rotation, &set, 0), next);
        }
        for (unsigned i = 0; i < 4; i++)
                ck_assert_uint_eq(turns[i], 100 * power[i]);
        /* A newcomer waits for its turn; leaving and coming back gains nothing. */
        make_set(&grown, (uint64_t[]){1, 2, 3, 10, 4}, 5);
        ledger_rotation_move(&rotation, &set, &grown);
        for (size_t i = 0; i < 5; i++) {
                ck_assert(i == 4 || rotation.priority[i] > rotation.priority[4]);
                sum += rotation.priority[i];
        }
        ck_assert(sum > -5 && sum < 5);
        for (unsigned i = 0; i < 4; i++)
                ck_assert_uint_ne(ledger_rotation_turn(&rotation, &grown), 4);
}
END_TEST

START_TEST(rotations_survive_extremes)
{
        uint64_t power[SIGCHAIN_VALIDATORS_MAX], turns[2] = {0};
        struct sigchain_valset large, small;
        struct ledger_rotation rotation, again;
        uint8_t bytes[LEDGER_ROTATION_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        for (size_t i = 0; i < SIGCHAIN_VALIDATORS_MAX; i++)
                power[i] = SIGCHAIN_POWER_MAX;
        make_set(&large, power, SIGCHAIN_VALIDATORS_MAX);
        make_set(&small, (uint64_t[]){1, 1}, 2);
        ledger_rotation_init(&large, &rotation);
        for (int i = 0; i < 300; i++)
                (void)ledger_rotation_turn(&rotation, &large);
        ledger_rotation_encode(&rotation, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        ck_assert_int_eq(ledger_rotation_decode(bytes, wr.len, &again), LX_OK);
        ck_assert(memcmp(&again, &rotation, sizeof(again)) == 0);
        for (size_t cut = 0; cut < wr.len; cut++)
                ck_assert_int_ne(ledger_rotation_decode(bytes, cut, &again), LX_OK);
        ledger_rotation_move(&rotation, &large, &small);
        for (int i = 0; i < 100; i++)
                turns[ledger_rotation_turn(&rotation, &small)]++;
        ck_assert(turns[0] >= 48 && turns[0] <= 52);
        ledger_rotation_move(&rotation, &small, &large);
        for (int i = 0; i < 300; i++)
                (void)ledger_rotation_turn(&rotation, &large);
        wr = lx_writer_init(bytes, sizeof(bytes));
        ledger_rotation_encode(&rotation, &wr);
        ck_assert_int_eq(ledger_rotation_decode(bytes, wr.len, &again), LX_OK);
}
END_TEST

/* ---- codecs ------------------------------------------------------------------------------------- */

enum codec { CODEC_BALLOT, CODEC_PROPOSAL, CODEC_PART, CODEC_STATE, CODEC_VOTES, CODEC_PROPOSALS, CODEC_CERTS, CODEC_COUNT };

static const char *const CODEC_NAMES[] = {"vote", "proposal", "part", "round-state", "evidence-votes",
    "evidence-proposals", "evidence-certificates"};

static enum lx_err
decode(enum codec codec, const uint8_t *bytes, size_t len)
{
        struct ledger_ballot ballot;
        struct ledger_proposal proposal;
        struct ledger_part part;
        struct ledger_round_state state;
        struct ledger_evidence *evidence;
        enum lx_err err;

        switch (codec) {
        case CODEC_BALLOT:
                return ledger_ballot_decode(bytes, len, &ballot);
        case CODEC_PROPOSAL:
                return ledger_proposal_decode(bytes, len, &proposal);
        case CODEC_PART:
                return ledger_part_decode(bytes, len, &part);
        case CODEC_STATE:
                return ledger_round_state_decode(bytes, len, &state);
        default:
                evidence = lx_alloc(sizeof(*evidence));
                err = ledger_evidence_decode(bytes, len, evidence);
                lx_free(evidence);
                return err;
        }
}

static struct ledger_proposal
sample_proposal(uint32_t round)
{
        return (struct ledger_proposal){.header = {.rule_version = 1, .chain_id = unit_hash(1), .height = 5,
                .time_ms = 1800000000000ull, .previous = unit_hash(2), .state_root = unit_hash(3)},
            .round = round, .valid_round = 1, .part_count = 2, .parts_root = unit_hash(4), .sig = {{9}}};
}

static void
sample(enum codec codec, struct lx_writer *wr)
{
        static uint8_t payload[LEDGER_PART_MAX + 64], cert[4 + 1 + 64] = {0, 0, 0, 2, 0x80};
        struct ledger_ballot ballot = prevote_of(3, 2, 7);
        struct ledger_part part;
        struct ledger_round_state state = {.height = 5, .round = 2, .step = 2, .parts_root = unit_hash(4),
            .part_count = 3, .parts = {0xa0}, .tally_count = 1,
            .tally = {{.type = LEDGER_VOTE_PREVOTE, .round = 2, .voters_len = 1, .voters = {0x50}}}};
        struct ledger_evidence e = {.height = 5, .proposer = 1, .header = {unit_hash(8), unit_hash(7)},
            .cert = {LX_SPAN(cert, sizeof(cert)), LX_SPAN(cert, sizeof(cert))}};

        ballot.height = 5;
        ballot.valid_round = 0;
        e.kind = (enum ledger_evidence_kind)(codec >= CODEC_VOTES ? codec - CODEC_VOTES + 1 : 1);
        e.ballot[0] = e.ballot[1] = ballot;
        e.ballot[1].value.b[0] = 1;
        e.proposal[0] = sample_proposal(2);
        e.proposal[1] = sample_proposal(2);
        e.proposal[1].header.time_ms--;
        switch (codec) {
        case CODEC_BALLOT:
                ledger_ballot_encode(&ballot, wr);
                break;
        case CODEC_PROPOSAL:
                ledger_proposal_encode(&e.proposal[0], wr);
                break;
        case CODEC_PART:
                ledger_parts_make(&lx_crypto_ops()->hash, LX_SPAN(payload, sizeof(payload)), 5, 1, &part);
                ledger_part_encode(&part, wr);
                break;
        case CODEC_STATE:
                ledger_round_state_encode(&state, wr);
                break;
        default:
                ledger_evidence_encode(&e, wr);
        }
        ck_assert_int_eq(lx_writer_end(wr), LX_OK);
}

/* Published bytes, every cut of them, one byte too many. */
START_TEST(messages_have_one_encoding)
{
        FILE *f = unit_vectors("consensus.txt");
        char line[4096], name[64], hex[4000];
        unsigned seen = 0;

        while (fgets(line, sizeof(line), f) != NULL) {
                uint8_t want[2048], got[2048];
                struct lx_writer wr = lx_writer_init(got, sizeof(got));
                size_t len;

                if (line[0] == '#' || sscanf(line, "%63s %3999s", name, hex) != 2)
                        continue;
                len = unit_unhex(hex, want);
                for (unsigned c = 0; c < CODEC_COUNT; c++) {
                        if (strcmp(name, CODEC_NAMES[c]) != 0)
                                continue;
                        sample((enum codec)c, &wr);
                        ck_assert_msg(wr.len == len && memcmp(want, got, len) == 0, "%s", name);
                        ck_assert_msg(decode((enum codec)c, want, len) == LX_OK, "%s", name);
                        for (size_t cut = 0; cut < len; cut++)
                                if (c != CODEC_PART || cut < 45 + 32 + 1)
                                        ck_assert_msg(decode((enum codec)c, want, cut) != LX_OK, "%s cut at %zu",
                                            name, cut);
                        want[len] = 0;
                        if (c != CODEC_PART) /* its bytes go to the end */
                                ck_assert_int_ne(decode((enum codec)c, want, len + 1), LX_OK);
                        seen |= 1u << c;
                }
        }
        fclose(f);
        ck_assert_uint_eq(seen, (1u << CODEC_COUNT) - 1);
}
END_TEST

START_TEST(parts_prove_their_place)
{
        static uint8_t payload[3 * LEDGER_PART_MAX + 32];
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct ledger_part part;
        struct lx_hash root;

        for (size_t i = 0; i < sizeof(payload); i++)
                payload[i] = (uint8_t)(i * 7 + i / LEDGER_PART_MAX);
        ck_assert_uint_eq(ledger_parts_count(0), 0);
        ck_assert_uint_eq(ledger_parts_count(LEDGER_PART_MAX), 1);
        ck_assert_uint_eq(ledger_parts_count(LEDGER_PART_MAX + 1), 2);
        ck_assert_uint_eq(ledger_parts_count((size_t)LEDGER_PART_MAX * LEDGER_PARTS_MAX), LEDGER_PARTS_MAX);
        ck_assert_uint_eq(ledger_parts_count((size_t)LEDGER_PART_MAX * LEDGER_PARTS_MAX + 1), 0);
        ledger_parts_root(ops, LX_SPAN(payload, sizeof(payload)), &root);
        for (size_t i = 0; i < 4; i++) {
                ledger_parts_make(ops, LX_SPAN(payload, sizeof(payload)), 1, i, &part);
                ck_assert(lx_hash_eq(&part.root, &root) && ledger_part_verify(ops, &part));
                part.index ^= 1;
                ck_assert(!ledger_part_verify(ops, &part));
        }
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {scripts_hold, messages_have_one_encoding, parts_prove_their_place, a_flood_of_rounds_is_bounded, quorums_are_exact,
            proposers_rotate_by_power, rotations_survive_extremes, NULL};

        return unit_main("bft", cases, 60);
}
