/*
 * router/record.h - mappings signed by the owner of the EID, in the form of a LISP record.
 *
 * The last locator of a signed record is a distinguished name, "lx1." and the base64url of
 *   u8 1, u64 sequence, header hash (32), u64 expiry, seal key (32), signature (64)
 * and the signature (BIP 340, by the key that the ledger names for the EID) is over
 *   H(lx.record, chain id, u32 instance, u8 family, address (16), u8 bits, u32 ttl, u8 count, per
 *   locator: u8 family, address (16), u16 port, u8 family, relay (16), u8 priority, u8 weight;
 *   u64 sequence, header hash, u64 expiry, seal key).
 * So whoever relays it, changes nothing; who receives it, needs only the ledger. The expiry is in
 * ledger time (milliseconds), the header proves that the record is not older than that block, and
 * the sequence rises with every record of the EID. The seal key is the static X25519 key of
 * the node that serves the EID.
 *
 * Threads: pure. Spec: doc/router-record.md.
 */
#ifndef LX_ROUTER_RECORD_H
#define LX_ROUTER_RECORD_H

#include "crypto/ops.h"
#include "router/lisp.h"

#define ROUTER_SEAL_LEN 32
#define ROUTER_TOKEN_MAX 640 /* bytes that a name of ours may carry */

struct router_signed {
        struct router_record record; /* without the signature's locator */
        uint64_t sequence;
        struct lx_hash header;
        uint64_t expiry_ms;
        uint8_t seal[ROUTER_SEAL_LEN];
        struct lx_sig sig;
};

/** Sign @claim (all but .sig filled) with @sec for chain @chain_id. LX_ERR_RANGE: a bad key. */
LX_MUST_CHECK enum lx_err router_signed_make(
    struct router_signed *claim, const struct lx_hash *chain_id, const uint8_t sec[32]);
/** Write it as a record. */
void router_signed_write(struct lx_writer *wr, const struct router_signed *claim);
/** Take a record that was read apart; false: it carries no signature of this form. */
bool router_signed_take(const struct router_record *record, struct router_signed *out_claim);
/** Whether @key signed it for @chain_id. */
bool router_signed_verify(const struct router_signed *claim, const struct lx_hash *chain_id,
    const struct lx_pubkey *key);

/** "lxN." and the base64url of @len bytes, into @out (at least 4 + (4 * len + 2) / 3); its length. */
size_t router_token_write(char kind, const uint8_t *bytes, size_t len, char *out);
/** The bytes of token @name of @kind; 0: it is none, or holds more than @cap. */
size_t router_token_read(char kind, struct lx_span name, uint8_t *out, size_t cap);

#endif
