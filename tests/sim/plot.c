/* sim/plot.c - see sim/plot.h. */
#include "config.h"
#include "sim/plot.h"

#include "ledger/vote.h"
#include "llp/message.h"

#define ROUNDS_MAX 5 /* of a height that are spoiled */

/* What a message is about, and how often it is lost. */
struct about {
        uint64_t height;
        uint32_t round;
        unsigned sort, percent;
};

static bool
look(unsigned type, const uint8_t *bytes, size_t len, struct about *out)
{
        struct ledger_proposal proposal;
        struct ledger_ballot ballot;

        if (type == LLP_VOTE && ledger_ballot_decode(bytes, len, &ballot) == LX_OK)
                *out = (struct about){.height = ballot.height,
                    .round = ballot.round,
                    .sort = ballot.type,
                    .percent = ballot.type == LEDGER_VOTE_PREVOTE ? 50 : 60};
        else if (type == LLP_PROPOSAL && ledger_proposal_decode(bytes, len, &proposal) == LX_OK)
                *out = (struct about){
                    .height = proposal.header.height, .round = proposal.round, .percent = 25};
        else
                return false;
        return true;
}

static uint64_t
draw(const struct plot *plot, uint64_t a, uint64_t b, uint64_t c)
{
        uint64_t x = plot->salt ^ plot->height * 0x9e3779b97f4a7c15u ^ a * 0xbf58476d1ce4e5b9u ^
            b * 0x94d049bb133111ebu ^ c * 0xd6e8feb86659fd93u;

        x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
        x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
        return x ^ x >> 32;
}

bool
plot_loses(struct plot *plot, uint64_t now_ms, size_t to, unsigned type, const uint8_t *bytes,
    size_t len)
{
        struct about about;

        if (plot->salt == 0 || !look(type, bytes, len, &about) || about.height < plot->height)
                return false;
        if (about.height > plot->height || about.round == plot->round + 1) {
                plot->height = about.height;
                plot->round = about.round;
                plot->since_ms = now_ms;
        }
        return about.round == plot->round && about.round < draw(plot, 0, 0, 9) % (ROUNDS_MAX + 1) &&
            now_ms < plot->since_ms + PLOT_MS &&
            draw(plot, about.round, to, about.sort) % 100 < about.percent;
}
