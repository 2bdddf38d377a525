/*
 * lx/signer.h - whoever signs: secrets typed now, a key file, or the session agent.
 *
 * A signer knows the genesis id of its chain and makes commitments and signatures of one-time keys.
 * The agent (lx login) keeps the seed in locked memory behind <datadir>/agent.sock (mode 0600), never
 * gives it away, and forgets it after 15 idle minutes.
 */
#ifndef LX_LX_SIGNER_H
#define LX_LX_SIGNER_H

#include "keys/derive.h"
#include "lx/lx.h"
#include "sigchain/tx.h"

struct lx_signer {
        struct lx_hash genesis;
        struct lx_hash chain_id;
        char name[KEYS_NAME_MAX + 1];
        struct lx_secret seed;     /* empty: the agent has it */
        struct lx_secret name_key; /* only where it was derived */
        struct lx_kdf kdf;         /* the seed's, after lx_signer_unlock */
        int agent;                 /* connection, -1: none */
};

/** The signer that the options and the session name: --key-file, else the agent. LX_ERR_ABSENT: nobody is logged in. */
LX_MUST_CHECK enum lx_err lx_signer_open(struct lx *lx, struct lx_signer *out_signer);
/**
 * A signer from a name and typed (or --secret-file) secrets, with the KDF of its register: proven where
 * the user trusts a header, never below the floor, and no key of it is used before one is the committed
 * one. LX_ERR_DENIED: wrong secrets.
 */
LX_MUST_CHECK enum lx_err lx_signer_unlock(struct lx *lx, const char *name, struct lx_signer *out_signer);
/** Wipe it; fine on a zeroed one with agent -1. */
void lx_signer_clear(struct lx_signer *signer);
/** H(lx.nextkey) of the key of @sequence. */
LX_MUST_CHECK enum lx_err lx_signer_commit(
    struct lx_signer *signer, uint64_t sequence, struct lx_hash *out, struct lx_why *why);
/** Sign @msg with the key of @sequence. */
LX_MUST_CHECK enum lx_err lx_signer_sign(struct lx_signer *signer, uint64_t sequence,
    const struct lx_hash *msg, struct lx_pubkey *out_key, struct lx_sig *out_sig, struct lx_why *why);

/** From now on no core file and no debugger of the same user sees this process. Before secrets come. */
void lx_guard_secrets(void);
/** Password and PIN from --secret-file, or typed (@twice: and typed again). */
LX_MUST_CHECK enum lx_err lx_read_secrets(
    struct lx *lx, bool twice, struct lx_secret *out_password, struct lx_secret *out_pin);
/** Chain id and the genesis's KDF of names. */
LX_MUST_CHECK enum lx_err lx_network(struct lx *lx, struct lx_hash *out_chain_id, struct lx_kdf *out_kdf);
/** Fork the agent that holds the signer's seed. */
LX_MUST_CHECK enum lx_err lx_agent_start(struct lx *lx, struct lx_signer *signer, unsigned timeout_s);
/** Ask it to end; LX_ERR_ABSENT: there was none. */
LX_MUST_CHECK enum lx_err lx_agent_stop(struct lx *lx);
/** Connect to it: genesis, chain id and name filled. */
LX_MUST_CHECK enum lx_err lx_agent_connect(struct lx *lx, struct lx_signer *out_signer);
/** One question to the agent. */
LX_MUST_CHECK enum lx_err lx_agent_ask(struct lx_signer *signer, uint8_t what, uint64_t sequence,
    const struct lx_hash *msg, uint8_t out[96], struct lx_why *why);

#endif
