/*
 * lx/check_int.h - what check.c and check_lookup.c share.
 */
#ifndef LX_LX_CHECK_INT_H
#define LX_LX_CHECK_INT_H

#include "lx/check.h"
#include "merkle/log.h"
#include "sigchain/object.h"

/** Set lx->why to @what; returns LX_ERR_PROOF. */
enum lx_err lx_check_wrong(struct lx *lx, const char *what);
/** Bytes of a hex field into @out, emptied first; false: it is none. */
bool lx_check_hex(const json_t *o, const char *name, struct lx_buf *out);
/** The hashes of a list; false: it is none, or longer than any proof. */
bool lx_check_path(const json_t *list, struct merkle_path *out);
/** Whether the path of @item proves @value (NULL: nothing) under @key in the tree of @root. */
LX_MUST_CHECK enum lx_err lx_check_leaf(const json_t *item, const struct lx_hash *key,
    const struct lx_hash *value, const struct lx_hash *root);
/** A proven object register; absent: *out_found false. @object points into @value. */
LX_MUST_CHECK enum lx_err lx_check_object(struct lx *lx, const struct lx_check *check,
    const json_t *proof, const struct lx_hash *address, struct lx_buf *value,
    struct sigchain_register *reg, struct sigchain_object *object, bool *out_found);

#endif
