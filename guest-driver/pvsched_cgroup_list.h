/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The list of urgent cgroups, as the guest's admin writes it. Pure functions, so
 * tests compile them in user space, too. The kernel has the string functions and
 * error numbers in headers of its own.
 */
#ifndef PVSCHED_CGROUP_LIST_H
#define PVSCHED_CGROUP_LIST_H

#include "pvsched_abi.h"

/* The text of a full list fits into a page: a file in sysfs has no more. */
#define PVSCHED_CGROUPS_MAX 16
#define PVSCHED_CGROUP_PATH_SIZE 240

#define PVSCHED_RT_PRIO_MIN 1
#define PVSCHED_RT_PRIO_MAX 99

/* What the hooks read of a cgroup. */
struct pvsched_cgroup_key {
	__u64 id; /* cgroup_id(); 0: the cgroup does not exist */
	__u32 level; /* the root has 0 */
	__u32 rt_prio;
};

/* The deepest cgroup is first, because the innermost of a task's cgroups decides. */
struct pvsched_cgroup_list {
	__u32 count;
	struct pvsched_cgroup_key keys[PVSCHED_CGROUPS_MAX];
	char paths[PVSCHED_CGROUPS_MAX][PVSCHED_CGROUP_PATH_SIZE];
};

/* A part of the admin's text. */
struct pvsched_text {
	const char *at;
	__u32 length;
};

static inline int pvsched_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline struct pvsched_text pvsched_trim(const char *at, const char *end)
{
	while (at < end && pvsched_is_blank(*at))
		at++;
	while (at < end && pvsched_is_blank(end[-1]))
		end--;
	return (struct pvsched_text){ at, (__u32)(end - at) };
}

/* Returns the level of a cgroup of this path, or an error if it is no path. */
static inline int pvsched_cgroup_level(struct pvsched_text path)
{
	int level = 0;
	__u32 i;

	if (!path.length || path.at[0] != '/')
		return -EINVAL;
	if (path.length >= PVSCHED_CGROUP_PATH_SIZE)
		return -ENAMETOOLONG;
	if (path.length == 1)
		return 0;
	for (i = 0; i < path.length; i++) {
		if (path.at[i] != '/')
			continue;
		/* No name is empty. */
		if (i + 1 == path.length || path.at[i + 1] == '/')
			return -EINVAL;
		level++;
	}
	return level;
}

/* Returns a real-time priority or an error. */
static inline int pvsched_parse_rt_prio(struct pvsched_text text)
{
	int prio = 0;
	__u32 i;

	for (i = 0; i < text.length; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -EINVAL;
		if (prio <= PVSCHED_RT_PRIO_MAX)
			prio = prio * 10 + text.at[i] - '0';
	}
	if (!text.length)
		return -EINVAL;
	return prio < PVSCHED_RT_PRIO_MIN || prio > PVSCHED_RT_PRIO_MAX ? -ERANGE :
									  prio;
}

/* Returns the index of @path, or @list's count. */
static inline __u32 pvsched_cgroup_find(const struct pvsched_cgroup_list *list,
					struct pvsched_text path)
{
	__u32 i;

	for (i = 0; i < list->count; i++) {
		if (!strncmp(list->paths[i], path.at, path.length) &&
		    !list->paths[i][path.length])
			break;
	}
	return i;
}

static inline int pvsched_cgroup_remove(struct pvsched_cgroup_list *list,
					struct pvsched_text path)
{
	__u32 at = pvsched_cgroup_find(list, path);

	if (path.length >= PVSCHED_CGROUP_PATH_SIZE || at == list->count)
		return -ENOENT;
	list->count--;
	memmove(&list->keys[at], &list->keys[at + 1],
		(list->count - at) * sizeof(list->keys[0]));
	memmove(&list->paths[at], &list->paths[at + 1],
		(list->count - at) * sizeof(list->paths[0]));
	return 0;
}

static inline int pvsched_cgroup_add(struct pvsched_cgroup_list *list,
				     struct pvsched_text path, __u32 level,
				     __u32 rt_prio)
{
	__u32 at = pvsched_cgroup_find(list, path);

	if (at < list->count) {
		list->keys[at].rt_prio = rt_prio;
		return 0;
	}
	if (list->count == PVSCHED_CGROUPS_MAX)
		return -ENOSPC;
	for (at = 0; at < list->count && list->keys[at].level >= level; at++)
		;
	memmove(&list->keys[at + 1], &list->keys[at],
		(list->count - at) * sizeof(list->keys[0]));
	memmove(&list->paths[at + 1], &list->paths[at],
		(list->count - at) * sizeof(list->paths[0]));
	list->keys[at].id = 0;
	list->keys[at].level = level;
	list->keys[at].rt_prio = rt_prio;
	memcpy(list->paths[at], path.at, path.length);
	list->paths[at][path.length] = 0;
	list->count++;
	return 0;
}

/* An @entry is "PATH PRIORITY", "+PATH PRIORITY" or "-PATH"; a blank one says nothing. */
static inline int pvsched_cgroup_apply(struct pvsched_cgroup_list *list,
				       struct pvsched_text entry)
{
	const char *end = entry.at + entry.length, *gap = end;
	struct pvsched_text path;
	int level, prio;

	if (!entry.length)
		return 0;
	if (*entry.at == '-')
		return pvsched_cgroup_remove(list, pvsched_trim(entry.at + 1, end));
	if (*entry.at == '+')
		entry.at++;
	while (gap > entry.at && !pvsched_is_blank(gap[-1]))
		gap--;
	path = pvsched_trim(entry.at, gap);
	level = pvsched_cgroup_level(path);
	if (level < 0)
		return level;
	prio = pvsched_parse_rt_prio(pvsched_trim(gap, end));
	if (prio < 0)
		return prio;
	return pvsched_cgroup_add(list, path, level, prio);
}

/*
 * Applies the admin's @text to @list. Lines or commas separate the entries. A text
 * that begins with "+" or "-" changes the list, any other text replaces it. After
 * an error @list has no meaning.
 */
static inline int pvsched_cgroup_parse(struct pvsched_cgroup_list *list,
				       const char *text)
{
	const char *end;
	int err;

	while (*text == '\n' || pvsched_is_blank(*text))
		text++;
	if (*text != '+' && *text != '-')
		list->count = 0;
	for (;; text = end + 1) {
		for (end = text; *end && *end != '\n' && *end != ','; end++)
			;
		err = pvsched_cgroup_apply(list, pvsched_trim(text, end));
		if (err || !*end)
			return err;
	}
}

#endif /* PVSCHED_CGROUP_LIST_H */
