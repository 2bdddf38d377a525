/* guard/view.c - following a publisher's signature chain; see guard/view.h. */
#include "config.h"
#include "guard/view_int.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "sigchain/object.h"
#include "sigchain/op.h"
#include "sigchain/tx.h"

#include <stdlib.h>
#include <string.h>

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static void
clear_record(struct guard_record *r)
{
        lx_buf_clear(&r->header);
        lx_buf_clear(&r->cert);
        lx_buf_clear(&r->valset);
        lx_buf_clear(&r->value);
        lx_buf_clear(&r->path);
        *r = (struct guard_record){0};
}

struct guard_view *
guard_view_new(const struct lx_hash *genesis, bool own)
{
        struct guard_view *view = lx_alloc(sizeof(*view));

        view->genesis = *genesis;
        view->own = own;
        return view;
}

void
guard_view_abort(struct guard_view *view)
{
        for (size_t i = 0; i < view->staged_count; i++)
                lx_buf_clear(&view->staged[i].bytes);
        for (size_t i = view->made_committed; i < view->made_count; i++)
                lx_buf_clear(&view->made[i].bytes);
        for (size_t i = view->file_committed; i < view->file_count; i++)
                lx_free(view->file[i].path);
        view->staged_count = 0;
        view->file_count = view->file_committed;
        view->made_count = view->made_committed;
        view->revoked_count = view->revoked_committed;
        view->want = (struct lx_hash){{0}};
        view->begun = view->gained = false;
        clear_record(&view->next);
}

void
guard_view_free(struct guard_view *view)
{
        if (view == NULL)
                return;
        guard_view_abort(view);
        clear_record(&view->record);
        for (size_t i = 0; i < view->tx_count; i++)
                lx_buf_clear(&view->tx[i].bytes);
        for (size_t i = 0; i < view->made_count; i++)
                lx_buf_clear(&view->made[i].bytes);
        for (size_t i = 0; i < view->file_count; i++)
                lx_free(view->file[i].path);
        lx_free(view->file);
        lx_free(view->tx);
        lx_free(view->staged);
        lx_free(view->made);
        lx_free(view->revoked);
        lx_free(view);
}

/* ---- the record -------------------------------------------------------------------------------- */

static void
keep_record(struct guard_record *r, const struct guard_proof *proof, const struct lxv_header *header)
{
        lx_buf_append(&r->header, proof->header.p, proof->header.len);
        lx_buf_append(&r->cert, proof->cert.p, proof->cert.len);
        lx_buf_append(&r->valset, proof->valset.p, proof->valset.len);
        lx_buf_append(&r->value, proof->value.p, proof->value.len);
        lx_buf_append(&r->path, proof->path.p, proof->path.len);
        r->height = header->height;
        r->time_ms = header->time_ms;
}

static enum lx_err
check_record(const struct guard_view *view, const struct guard_proof *proof, const struct lxv_header *header,
    struct sigchain_chain *out_chain, struct lx_why *why)
{
        bool absent = proof->value.len == 0;
        enum lx_err err = guard_err_of(lxv_state_check(guard_crypto(), header->state_root, LXV_CHAIN,
            (struct lxv_part){view->genesis.b, LX_HASH_LEN},
            (struct lxv_part){absent ? NULL : proof->value.p, proof->value.len}, guard_part(proof->path)));

        if (err != LX_OK) {
                lx_why_set(why, "the proof of the publisher's chain record does not hold");
                return err;
        }
        if (absent) {
                lx_why_set(why, "the publisher's signature chain does not exist at height %llu (proven)",
                    (unsigned long long)header->height);
                return LX_ERR_ABSENT;
        }
        err = sigchain_chain_decode(proof->value.p, proof->value.len, out_chain);
        if (err == LX_OK && (out_chain->sequence < view->tx_count || out_chain->sequence > GUARD_TXS_MAX)) {
                lx_why_set(why, "the publisher's chain has %llu transactions; here are %zu, at most %u",
                    (unsigned long long)out_chain->sequence, view->tx_count, GUARD_TXS_MAX);
                err = LX_ERR_LIMIT;
        }
        return err;
}

enum lx_err
guard_view_begin(struct guard_view *view, struct guard_trust *trust, const struct guard_proof *proof,
    uint64_t now_ms, struct lx_why *why)
{
        struct sigchain_chain chain;
        struct lxv_header header;
        enum lx_err err = guard_trust_accept(trust, proof, now_ms, &header, why);

        guard_view_abort(view);
        if (err == LX_OK && header.height < view->record.height) {
                lx_why_set(why, "height %llu is below the publisher's height %llu",
                    (unsigned long long)header.height, (unsigned long long)view->record.height);
                err = LX_ERR_RANGE;
        }
        if (err == LX_OK)
                err = check_record(view, proof, &header, &chain, why);
        if (err == LX_OK && chain.sequence == view->tx_count && !lx_hash_eq(&chain.last, &view->last)) {
                lx_why_set(why, "the publisher's chain ends in another transaction than the one proven before");
                err = LX_ERR_PROOF;
        }
        if (err != LX_OK)
                return err;
        keep_record(&view->next, proof, &header);
        view->next.chain = chain;
        view->begun = true;
        for (size_t i = 0; i < view->made_count; i++)
                view->made[i].given_up = false;
        if (chain.sequence > view->tx_count) {
                view->want = chain.last;
                view->want_sequence = chain.sequence - 1;
        }
        return LX_OK;
}

/* ---- transactions ------------------------------------------------------------------------------ */

bool
guard_view_wants_tx(const struct guard_view *view, struct lx_hash *out_id)
{
        *out_id = view->want;
        return view->begun && !lx_hash_is_zero(&view->want);
}

static void
note_release(struct guard_view *view, const struct sigchain_op_create *create, uint64_t sequence, uint8_t op,
    uint64_t seen_ms)
{
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        const struct sigchain_field *name;
        struct guard_made m = {.seen_ms = seen_ms, .approval = create->type == SIGCHAIN_APPROVAL};

        if (sigchain_object_decode(create->data, object) == LX_OK &&
            sigchain_object_get_hash(object, "manifest", &m.manifest)) {
                (void)sigchain_object_get_hash(object, "leaves", &m.leaves);
                name = sigchain_object_find(object, "name");
                if (name != NULL)
                        memcpy(m.name, name->bytes.p,
                            name->bytes.len < sizeof(m.name) ? name->bytes.len : sizeof(m.name) - 1);
                sigchain_address_created(ops(), create->type, &view->genesis, sequence, op, &m.address);
                if (view->made_count == view->made_cap) {
                        view->made_cap = view->made_cap == 0 ? 8 : view->made_cap * 2;
                        view->made = lx_realloc(view->made, view->made_cap * sizeof(*view->made));
                }
                view->made[view->made_count++] = m;
        }
        lx_free(object);
}

static void
note_revocation(struct guard_view *view, const struct lx_hash *digest)
{
        if (view->revoked_count == view->revoked_cap) {
                view->revoked_cap = view->revoked_cap == 0 ? 16 : view->revoked_cap * 2;
                view->revoked = lx_realloc(view->revoked, view->revoked_cap * sizeof(*view->revoked));
        }
        view->revoked[view->revoked_count++] = *digest;
}

/* NULL: no absolute path, or one that no C string holds. */
static char *
copy_path(struct lx_span path)
{
        char *copy;

        if (path.len == 0 || path.p[0] != '/' || memchr(path.p, '\0', path.len) != NULL)
                return NULL;
        copy = lx_alloc(path.len + 1);
        memcpy(copy, path.p, path.len);
        copy[path.len] = '\0';
        return copy;
}

/* The create or write of a register of a file, or an offer of any register, in the order of the chain. */
static void
note_file(struct guard_view *view, const struct guard_file_op *op)
{
        if (view->file_count == view->file_cap) {
                view->file_cap = view->file_cap == 0 ? 64 : view->file_cap * 3 / 2;
                view->file = lx_realloc(view->file, view->file_cap * sizeof(*view->file));
        }
        view->file[view->file_count++] = *op;
}

static void
note_file_data(struct guard_view *view, struct guard_file_op *op, struct lx_span data)
{
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        const struct sigchain_field *path;

        if (sigchain_object_decode(data, object) == LX_OK) {
                path = sigchain_object_find(object, "path");
                op->has_root = sigchain_object_get_hash(object, "root", &op->root);
                op->has_length = sigchain_object_get_u64(object, "length", &op->length);
                if (op->what == GUARD_FILE_CREATED && path != NULL)
                        op->path = copy_path(path->bytes);
                if (op->what == GUARD_FILE_CREATED ? op->path != NULL : op->has_root || op->has_length)
                        note_file(view, op);
        }
        lx_free(object);
}

static void
note_files(struct guard_view *view, const struct sigchain_op_body *body, uint64_t sequence, uint8_t number)
{
        struct guard_file_op op = {.what = GUARD_FILE_WRITTEN};

        if (body->type == SIGCHAIN_OP_CREATE && body->u.create.type == SIGCHAIN_FILE) {
                op.what = GUARD_FILE_CREATED;
                sigchain_address_created(ops(), SIGCHAIN_FILE, &view->genesis, sequence, number, &op.address);
                note_file_data(view, &op, body->u.create.data);
        } else if (body->type == SIGCHAIN_OP_WRITE && body->u.write.address.b[0] == SIGCHAIN_FILE) {
                op.address = body->u.write.address;
                note_file_data(view, &op, body->u.write.data);
        } else if (body->type == SIGCHAIN_OP_TRANSFER && body->u.transfer.address.b[0] == SIGCHAIN_FILE) {
                op.address = body->u.transfer.address;
                op.what = lx_hash_is_zero(&body->u.transfer.to) ? GUARD_FILE_TAKEN_BACK : GUARD_FILE_OFFERED;
                note_file(view, &op);
        }
}

static void
note_tx(struct guard_view *view, const struct guard_tx *kept, struct sigchain_tx *tx, struct sigchain_op_body *body)
{
        if (sigchain_tx_decode(ops(), kept->bytes.p, kept->bytes.len, tx) != LX_OK)
                return;
        for (size_t i = 0; i < tx->op_count; i++) {
                if (sigchain_op_decode(tx->op[i].type, tx->op[i].body, body) != LX_OK)
                        continue;
                if (body->type == SIGCHAIN_OP_REVOKE)
                        note_revocation(view, &body->u.revoke.digest);
                else if (body->type == SIGCHAIN_OP_CREATE && (body->u.create.type == SIGCHAIN_RELEASE ||
                    body->u.create.type == SIGCHAIN_APPROVAL))
                        note_release(view, &body->u.create, tx->sequence, (uint8_t)i, kept->seen_ms);
                else if (view->own)
                        note_files(view, body, tx->sequence, (uint8_t)i);
        }
}

/* All transactions are here: what did they do? Oldest first. */
static void
note_staged(struct guard_view *view)
{
        struct sigchain_op_body *body = lx_alloc(sizeof(*body));
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));

        for (size_t i = view->staged_count; i > 0; i--)
                note_tx(view, &view->staged[i - 1], tx, body);
        lx_free(tx);
        lx_free(body);
}

static void
stage(struct guard_view *view, struct lx_span bytes)
{
        struct guard_tx *t;

        if (view->staged_count == view->staged_cap) {
                view->staged_cap = view->staged_cap == 0 ? 16 : view->staged_cap * 2;
                view->staged = lx_realloc(view->staged, view->staged_cap * sizeof(*view->staged));
        }
        t = &view->staged[view->staged_count++];
        *t = (struct guard_tx){.seen_ms = view->next.time_ms};
        lx_buf_append(&t->bytes, bytes.p, bytes.len);
}

enum lx_err
guard_view_give_tx(struct guard_view *view, struct lx_span bytes, struct lx_why *why)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        enum lx_err err = sigchain_tx_decode(ops(), bytes.p, bytes.len, tx);
        bool first = view->want_sequence == view->tx_count;

        if (err == LX_OK && (!lx_hash_eq(&tx->id, &view->want) || !lx_hash_eq(&tx->genesis, &view->genesis) ||
            tx->sequence != view->want_sequence || (first && !lx_hash_eq(&tx->previous, &view->last))))
                err = LX_ERR_PROOF;
        if (err == LX_OK) {
                stage(view, bytes);
                view->want = first ? (struct lx_hash){{0}} : tx->previous;
                view->want_sequence -= !first;
                if (first)
                        note_staged(view);
        } else {
                lx_why_set(why, "transaction %llu of the publisher is not the one that its chain names",
                    (unsigned long long)view->want_sequence);
        }
        lx_free(tx);
        return err;
}

/* ---- manifests --------------------------------------------------------------------------------- */

/* Approvals of others say nothing to this machine. */
static bool
counts(const struct guard_view *view, const struct guard_made *m)
{
        return view->own || !m->approval;
}

static struct guard_made *
first_missing(const struct guard_view *view)
{
        for (size_t i = 0; i < view->made_count; i++)
                if (view->made[i].bytes.len == 0 && !view->made[i].given_up && counts(view, &view->made[i]))
                        return &view->made[i];
        return NULL;
}

bool
guard_view_wants_manifest(const struct guard_view *view, struct lx_hash *out_root)
{
        const struct guard_made *m =
            view->begun && lx_hash_is_zero(&view->want) ? first_missing(view) : NULL;

        if (m != NULL)
                *out_root = m->manifest;
        return m != NULL;
}

enum lx_err
guard_view_put_manifest(struct guard_view *view, size_t i, struct lx_span bytes, struct lx_why *why)
{
        struct guard_made *m = &view->made[i];
        struct lx_hash root;
        uint32_t count;
        enum lx_err err = sigchain_manifest_read(ops(), bytes, NULL, NULL, &root, &count);

        if (err == LX_OK && !lx_hash_eq(&root, &m->manifest))
                err = LX_ERR_PROOF;
        if (err != LX_OK) {
                lx_why_set(why, "the manifest of release %s is not the one that was published", m->name);
                return err;
        }
        lx_buf_reset(&m->bytes);
        lx_buf_append(&m->bytes, bytes.p, bytes.len);
        view->gained = true;
        return LX_OK;
}

enum lx_err
guard_view_give_manifest(struct guard_view *view, struct lx_span bytes, struct lx_why *why)
{
        struct guard_made *m = first_missing(view);

        if (m == NULL)
                return LX_ERR_RANGE;
        if (bytes.len == 0) {
                m->given_up = true;
                return LX_OK;
        }
        return guard_view_put_manifest(view, (size_t)(m - view->made), bytes, why);
}

/* ---- the end of a step ------------------------------------------------------------------------- */

static int
compare_hashes(const void *a, const void *b)
{
        return lx_hash_cmp(a, b);
}

bool
guard_view_commit(struct guard_view *view)
{
        if (!view->begun || !lx_hash_is_zero(&view->want))
                return false;
        if (view->tx_count + view->staged_count > view->tx_cap) {
                view->tx_cap = view->tx_count + view->staged_count + 16;
                view->tx = lx_realloc(view->tx, view->tx_cap * sizeof(*view->tx));
        }
        for (size_t i = view->staged_count; i > 0; i--)
                view->tx[view->tx_count++] = view->staged[i - 1];
        view->version += view->staged_count > 0 || view->gained;
        view->staged_count = 0;
        view->made_committed = view->made_count;
        view->revoked_committed = view->revoked_count;
        view->file_committed = view->file_count;
        if (view->revoked_count > 0)
                qsort(view->revoked, view->revoked_count, sizeof(*view->revoked), compare_hashes);
        clear_record(&view->record);
        view->record = view->next;
        view->last = view->next.chain.last;
        view->next = (struct guard_record){0};
        view->begun = view->gained = false;
        return true;
}

uint64_t
guard_view_height(const struct guard_view *view)
{
        return view->record.height;
}

uint64_t
guard_view_time(const struct guard_view *view)
{
        return view->record.time_ms;
}

size_t
guard_view_missing(const struct guard_view *view)
{
        size_t n = 0;

        for (size_t i = 0; i < view->made_count; i++)
                n += view->made[i].bytes.len == 0 && counts(view, &view->made[i]);
        return n;
}

uint64_t
guard_view_version(const struct guard_view *view)
{
        return view->version;
}

enum lx_err
guard_view_fill(const struct guard_view *view, uint16_t publisher, struct guard_list *list)
{
        enum lx_err err = LX_OK;

        for (size_t i = 0; i < view->made_committed && err == LX_OK; i++) {
                const struct guard_made *m = &view->made[i];
                struct guard_release r = {.address = m->address, .leaves = m->leaves,
                    .publisher = publisher, .own = view->own};

                memcpy(r.name, m->name, sizeof(r.name));
                if (m->bytes.len > 0 && counts(view, m))
                        err = guard_list_add(list, &r, lx_buf_span(&m->bytes), m->seen_ms, view->revoked,
                            view->revoked_committed);
        }
        return err;
}

void
guard_view_fill_files(const struct guard_view *view, struct guard_files *files)
{
        for (size_t i = 0; i < view->file_committed; i++) {
                const struct guard_file_op *op = &view->file[i];

                switch (op->what) {
                case GUARD_FILE_CREATED:
                        (void)guard_files_create(files, &op->address, op->path, &op->root, op->length);
                        break;
                case GUARD_FILE_WRITTEN:
                        guard_files_write(files, &op->address, op->has_root ? &op->root : NULL,
                            op->has_length ? &op->length : NULL);
                        break;
                case GUARD_FILE_OFFERED:
                case GUARD_FILE_TAKEN_BACK:
                        guard_files_offer(files, &op->address, op->what == GUARD_FILE_OFFERED);
                        break;
                }
        }
}
