/* base/err.c - see base/err.h. Freestanding. */
#include "config.h"
#include "base/err.h"

static const struct {
        const char *name;
        const char *text;
        bool transient;
} ERRORS[LX_ERR_COUNT_] = {
#define LX_ERR(name, text, transient) {#name, text, transient},
#include "base/err.def"
#undef LX_ERR
};

const char *
lx_err_text(enum lx_err err)
{
        return ERRORS[err].text;
}

const char *
lx_err_name(enum lx_err err)
{
        return ERRORS[err].name;
}

bool
lx_err_is_transient(enum lx_err err)
{
        return ERRORS[err].transient;
}
