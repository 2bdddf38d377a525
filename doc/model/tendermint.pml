/*
 * tendermint.pml - the nine rules of arXiv 1807.04938 for one height, against everything that one faulty
 * validator and the network can do. src/ledger/bft.c has the same rules under the same line numbers.
 *
 * Four validators of equal power: three honest (processes 0 to 2), one faulty. The faulty one is not a
 * process: it is counted into every quorum, for every value, whenever that helps the adversary; and
 * where it proposes, everybody may see a proposal of his own. The network is asynchronous: a message that
 * was sent may arrive at any later step, or after all; a timeout may come at any time. So a rule is a
 * guarded step that may be taken, never must. What is left out: heights, signatures, the bound on rounds.
 *
 * Checked: agreement (no two honest ones decide differently) and that a locked validator never prevotes
 * another value without a newer polka. `make model` runs it (20 million states over three
 * rounds); each mutation below must be caught:
 *   -DUNLOCK_EARLY  line 28 without its lock check     -DUNLOCK_NIL  a polka for nil unlocks
 *   -DSMALL_QUORUM  f + 1 precommits decide            -DOLD_ROUND   line 28 takes any validRound, without
 *                                                                    looking for its polka
 *   -DNO_LOCK       line 38 does not lock
 */
#ifndef ROUNDS
#define ROUNDS 3
#endif
#define HONEST 3
#define NONE 2          /* no value; values are 0 and 1 */
#define NEVER 255       /* round -1 */
#ifndef FAULTY_ROUNDS
#define FAULTY_ROUNDS 2 /* bit r: the faulty one proposes in round r */
#endif

#define PROPOSE 0
#define PREVOTE 1
#define PRECOMMIT 2
#define DONE 3

/* How many honest ones voted; index round * 2 + value. The faulty one always adds itself. */
byte prevotes[ROUNDS * 2];
byte prevotes_nil[ROUNDS];
byte precommits[ROUNDS * 2];
byte reached[ROUNDS];           /* how many honest ones are in the round or beyond */
byte proposal[ROUNDS] = NONE;   /* of an honest proposer; NONE: not yet */
byte proposal_valid[ROUNDS];    /* its validRound */
byte decided = NONE;
hidden byte v, vr;              /* scratch of one step */

#define POLKA(r, v) (prevotes[(r) * 2 + (v)] >= 2)
#define POLKA_NIL(r) (prevotes_nil[r] >= 2)
#ifdef SMALL_QUORUM
#define COMMITTED(r, v) (precommits[(r) * 2 + (v)] >= 1)
#else
#define COMMITTED(r, v) (precommits[(r) * 2 + (v)] >= 2)
#endif
#define IS_FAULTY(r) (((FAULTY_ROUNDS >> (r)) & 1) == 1)
/* Whether the process may have seen the proposal (v, vr) in round r. */
#define PROPOSED(r, v, vr) (IS_FAULTY(r) || (proposal[r] == (v) && proposal_valid[r] == (vr)))
#define SEEN(r, v) (IS_FAULTY(r) || proposal[r] == (v))
#define OLDER(a, b) ((b) != NEVER && ((a) == NEVER || (a) < (b)))  /* a < b, with NEVER as -1 */
#define NOT_NEWER(a, b) ((a) == NEVER || ((b) != NEVER && (a) <= (b)))

inline vote_prevote(v) {
        if
        :: v == NONE -> prevotes_nil[round]++
        :: else -> prevotes[round * 2 + v]++
        fi;
        step = PREVOTE
}

inline start_round(r) {
        round = r;
        step = PROPOSE;
        polka_seen = false;
        reached[round]++;
        /* line 14: the proposer proposes its valid value, or any */
        if
        :: !IS_FAULTY(round) && round % HONEST == _pid ->
                if
                :: validV != NONE -> proposal[round] = validV; proposal_valid[round] = validR
                :: validV == NONE -> proposal[round] = 0; proposal_valid[round] = NEVER
                :: validV == NONE -> proposal[round] = 1; proposal_valid[round] = NEVER
                fi
        :: else
        fi
}

active [HONEST] proctype validator()
{
        byte round = 0, step = PROPOSE;
        byte lockedV = NONE, lockedR = NEVER, validV = NONE, validR = NEVER;
        bool polka_seen = false;

        atomic { start_round(0) };
        do
        :: atomic { step == DONE -> break }
        /* line 22: a fresh proposal */
        :: atomic { step == PROPOSE ->
                select(v : 0 .. 1);
                if
                :: PROPOSED(round, v, NEVER) ->
                        if
                        :: lockedR == NEVER || lockedV == v -> vote_prevote(v)
                        :: else -> vote_prevote(NONE)
                        fi
                :: else
                fi }
        /* line 28: a proposal with a polka of an earlier round */
        :: atomic { step == PROPOSE && round > 0 ->
                select(v : 0 .. 1);
                select(vr : 0 .. ROUNDS - 2);
                if
#ifdef OLD_ROUND
                :: vr < round && PROPOSED(round, v, vr) ->
#else
                :: vr < round && PROPOSED(round, v, vr) && POLKA(vr, v) ->
#endif
                        if
#ifdef UNLOCK_EARLY
                        :: true -> vote_prevote(v)
#else
                        :: NOT_NEWER(lockedR, vr) || lockedV == v ->
                                /* another value than the locked one needs a polka not older than the lock */
                                assert(lockedV == NONE || lockedV == v || POLKA(vr, v));
                                vote_prevote(v)
                        :: else -> vote_prevote(NONE)
#endif
                        fi
                :: else
                fi }
        /* line 57: no proposal in time */
        :: atomic { step == PROPOSE -> vote_prevote(NONE) }
        /* line 36: a polka of this round, the first time */
        :: atomic { (step == PREVOTE || step == PRECOMMIT) && !polka_seen ->
                select(v : 0 .. 1);
                if
                :: SEEN(round, v) && POLKA(round, v) ->
                        polka_seen = true;
                        if
                        :: step == PREVOTE ->
#ifndef NO_LOCK
                                lockedV = v; lockedR = round;
#endif
                                precommits[round * 2 + v]++;
                                step = PRECOMMIT
                        :: else
                        fi;
                        validV = v; validR = round
                :: else
                fi }
        /* line 44: a polka for nil; line 61: no polka in time. Neither unlocks. */
        :: atomic { step == PREVOTE && POLKA_NIL(round) ->
                step = PRECOMMIT;
#ifdef UNLOCK_NIL
                lockedV = NONE; lockedR = NEVER
#endif
                }
        :: atomic { step == PREVOTE -> step = PRECOMMIT }
        /* line 65: the round is over; line 55: others are further */
        :: atomic { step == PRECOMMIT && round + 1 < ROUNDS -> start_round(round + 1) }
        :: atomic { step != DONE && round + 2 < ROUNDS && reached[round + 2] >= 1 -> start_round(round + 2) }
        :: atomic { step != DONE && round + 1 < ROUNDS && reached[round + 1] >= 1 -> start_round(round + 1) }
        /* line 49: decide, whatever the round of the precommits */
        :: atomic { step != DONE ->
                select(v : 0 .. 1);
                select(vr : 0 .. ROUNDS - 1);
                if
                :: SEEN(vr, v) && COMMITTED(vr, v) ->
                        assert(decided == NONE || decided == v);
                        decided = v;
                        step = DONE; round = 0; polka_seen = false;
                        lockedV = NONE; lockedR = NEVER; validV = NONE; validR = NEVER
                :: else
                fi }
        od
}
