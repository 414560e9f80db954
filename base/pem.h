/*
 * What a file holds in place of the key or certificate that was wanted there: for the
 * words of an error alone. Judges nothing that is loaded.
 */
#ifndef BASE_PEM_H
#define BASE_PEM_H

enum pem_kind {
	PEM_CERTIFICATE,
	PEM_KEY
};

/**
 * Tell what a person probably took for a PEM file with @p wanted.
 *
 * @param path  borrowed; as it was read (base/files.h)
 * @return words that go on behind "it holds none": "; it holds ..."; "" when there is
 *         nothing to say, also of a file that cannot be read
 * Cost: reads at most 64 KiB, which are wiped.
 */
const char *pem_mistake(const char *path, enum pem_kind wanted);

#endif
