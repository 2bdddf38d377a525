/* guard/inodes.c - see guard/inodes.h. */
#include "config.h"
#include "guard/inodes.h"

#include "base/map.h"
#include "base/mem.h"

#include <string.h>

struct guard_inodes {
        struct lx_map *by_id, *by_fd;
        struct guard_inode *oldest, *newest;
        size_t max;
};

struct guard_inodes *
guard_inodes_new(size_t max)
{
        struct guard_inodes *table = lx_alloc(sizeof(*table));

        table->by_id = lx_map_new(1);
        table->by_fd = lx_map_new(2);
        table->max = max;
        return table;
}

void
guard_inodes_free(struct guard_inodes *table)
{
        if (table == NULL)
                return;
        while (table->oldest != NULL)
                guard_inodes_remove(table, table->oldest);
        lx_map_free(table->by_id);
        lx_map_free(table->by_fd);
        lx_free(table);
}

static void
unlink_item(struct guard_inodes *table, struct guard_inode *item)
{
        if (item->older != NULL)
                item->older->newer = item->newer;
        else
                table->oldest = item->newer;
        if (item->newer != NULL)
                item->newer->older = item->older;
        else
                table->newest = item->older;
        item->older = item->newer = NULL;
}

static void
link_newest(struct guard_inodes *table, struct guard_inode *item)
{
        item->older = table->newest;
        item->newer = NULL;
        if (table->newest != NULL)
                table->newest->newer = item;
        else
                table->oldest = item;
        table->newest = item;
}

static void
make_key(uint64_t dev, uint64_t ino, uint8_t key[16])
{
        memcpy(key, &dev, 8);
        memcpy(key + 8, &ino, 8);
}

struct guard_inode *
guard_inodes_find(struct guard_inodes *table, uint64_t dev, uint64_t ino)
{
        struct guard_inode *item;
        uint8_t key[16];

        make_key(dev, ino, key);
        item = lx_map_get(table->by_id, key, sizeof(key));
        if (item != NULL && item != table->newest) {
                unlink_item(table, item);
                link_newest(table, item);
        }
        return item;
}

struct guard_inode *
guard_inodes_find_fd(struct guard_inodes *table, int fd)
{
        return lx_map_get(table->by_fd, &fd, sizeof(fd));
}

void
guard_inodes_remove(struct guard_inodes *table, struct guard_inode *item)
{
        uint8_t key[16];

        make_key(item->dev, item->ino, key);
        (void)lx_map_remove(table->by_id, key, sizeof(key));
        (void)lx_map_remove(table->by_fd, &item->fd, sizeof(item->fd));
        unlink_item(table, item);
        lx_free(item);
}

bool
guard_inodes_put(
    struct guard_inodes *table, const struct guard_inode *item, struct guard_inode *out_pushed)
{
        struct guard_inode *old = guard_inodes_find(table, item->dev, item->ino), *copy;
        uint8_t key[16];

        if (old == NULL && lx_map_count(table->by_id) >= table->max)
                old = table->oldest;
        if (old != NULL) {
                *out_pushed = *old;
                guard_inodes_remove(table, old);
        }
        copy = lx_memdup(item, sizeof(*item));
        copy->older = copy->newer = NULL;
        make_key(copy->dev, copy->ino, key);
        (void)lx_map_put(table->by_id, key, sizeof(key), copy);
        (void)lx_map_put(table->by_fd, &copy->fd, sizeof(copy->fd), copy);
        link_newest(table, copy);
        return old != NULL;
}

struct guard_inode *
guard_inodes_oldest(const struct guard_inodes *table)
{
        return table->oldest;
}

size_t
guard_inodes_count(const struct guard_inodes *table)
{
        return lx_map_count(table->by_id);
}
