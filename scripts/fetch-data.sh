#!/bin/sh
# Gets the public data sets: from their homes, or from a folder that has them. What is there already is only verified.
#
#   scripts/fetch-data.sh [--from FOLDER] [--to FOLDER] [mnist] [cifar10]
#
#   (no set named)  both
#   --from FOLDER   copy from a local folder (with mnist/ and cifar10/ in it, or the files themselves) instead
#   --to FOLDER     the data folder (default: RISTRETTO_DATA, else data)
#
# The result: TO/mnist/ with the four IDX files, gzipped or not; TO/cifar10/ with data_batch_1..5.bin and test_batch.bin.
# MNIST's files are verified by the SHA-256 of their unzipped contents. CIFAR-10's archive is verified by the MD5 that its home
# page states; of files that come unpacked only the size can be checked, which is said.
# An interrupted download goes on where it stopped. MNIST_URLS and CIFAR10_URLS (several, separated by blanks, tried in turn)
# replace the homes; a URL may be file:///FOLDER. Exit status: 0, or 2 usage, 3 data that is missing or wrong, 4 no network.
set -eu

: "${MNIST_URLS:=http://yann.lecun.com/exdb/mnist https://storage.googleapis.com/cvdf-datasets/mnist https://ossci-datasets.s3.amazonaws.com/mnist}"
: "${CIFAR10_URLS:=https://www.cs.toronto.edu/~kriz}"

# Name, SHA-256 and size of each unzipped file.
mnist_files='
train-images-idx3-ubyte ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db 47040016
train-labels-idx1-ubyte 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 60008
t10k-images-idx3-ubyte 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 7840016
t10k-labels-idx1-ubyte ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 10008
'
cifar10_archive=cifar-10-binary.tar.gz
cifar10_md5=c32a1d4ab5d03f1284b67883e8d87530
cifar10_files='data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin test_batch.bin'
cifar10_size=30730000 # of each: 10,000 records of a label and 3072 pixels

say() {
    printf '%s\n' "$*"
}

fail() {
    status=$1
    shift
    printf 'error: %s\n' "$*" >&2
    exit "$status"
}

usage() {
    sed -n '2,8s/^# \{0,1\}//p' "$0"
}

# The contents of a file, unzipped if it is gzipped.
contents() {
    case $1 in
    *.gz) gzip -dc -- "$1" ;;
    *) cat -- "$1" ;;
    esac
}

# download URLS NAME TARGET: tries each home; a part that is there is continued. TARGET.part stays if it is interrupted.
download() {
    command -v curl >/dev/null || fail 2 "curl is needed to download; or use --from FOLDER"
    for home in $1; do
        say "$home/$2"
        if curl --fail --location --silent --show-error --retry 3 --connect-timeout 20 --continue-at - \
            --output "$3.part" "$home/$2"; then
            mv -f "$3.part" "$3"
            return 0
        fi
    done
    return 1
}

# mnist_is FILE SHA256 SIZE
mnist_is() {
    case $1 in *.gz) gzip -t -- "$1" 2>/dev/null || return 1 ;; esac
    [ "$(contents "$1" 2>/dev/null | head -c "$(($3 + 1))" | sha256sum | cut -d ' ' -f 1)" = "$2" ]
}

fetch_mnist() {
    folder=$to/mnist
    mkdir -p "$folder"
    say "$mnist_files" | while read -r name sum size; do
        [ -n "$name" ] || continue
        there=
        for file in "$folder/$name" "$folder/$name.gz"; do
            if [ -n "$there" ] || [ ! -e "$file" ]; then continue; fi
            mnist_is "$file" "$sum" "$size" ||
                fail 3 "$file: not the file of this name that MNIST has (SHA-256 of the contents differs); remove it and try again"
            there=$file
        done
        if [ -n "$there" ]; then
            say "ok  $there"
            continue
        fi
        target=$folder/$name.gz
        if [ -n "$from" ]; then
            source=
            for file in "$from/mnist/$name.gz" "$from/mnist/$name" "$from/$name.gz" "$from/$name"; do
                [ -n "$source" ] || [ ! -e "$file" ] || source=$file
            done
            [ -n "$source" ] || fail 3 "$from: there is no $name or $name.gz, here or in mnist/"
            target=$folder/${source##*/}
            cp -- "$source" "$folder/part-${source##*/}"
            chmod u+w "$folder/part-${source##*/}"
            mv -f "$folder/part-${source##*/}" "$target"
        else
            download "$MNIST_URLS" "$name.gz" "$target" ||
                fail 4 "$name.gz could not be downloaded; --from FOLDER takes a local copy"
        fi
        if ! mnist_is "$target" "$sum" "$size"; then
            rm -f "$target"
            fail 3 "$name: what came is not the file of this name that MNIST has (SHA-256 of the contents differs)"
        fi
        say "ok  $target"
    done
}

# cifar10_layout FOLDER: six files of the right size.
cifar10_layout() {
    for name in $cifar10_files; do
        [ -e "$1/$name" ] || fail 3 "$1: there is no $name"
        [ "$(wc -c <"$1/$name")" -eq "$cifar10_size" ] ||
            fail 3 "$1/$name: $(wc -c <"$1/$name") bytes, expected $cifar10_size"
    done
}

fetch_cifar10() {
    folder=$to/cifar10
    archive=$to/$cifar10_archive
    mkdir -p "$to"
    if [ -e "$folder/test_batch.bin" ]; then
        cifar10_layout "$folder"
        say "ok  $folder (sizes; the checksum covers only the archive)"
        return
    fi
    source=
    if [ -n "$from" ]; then
        for place in "$from/cifar10" "$from/cifar-10-batches-bin" "$from"; do
            [ -n "$source" ] || [ ! -e "$place/test_batch.bin" ] || source=$place
        done
        if [ -n "$source" ]; then
            cifar10_layout "$source"
            rm -rf "$folder.part"
            mkdir "$folder.part"
            for name in $cifar10_files; do
                cp -- "$source/$name" "$folder.part/$name"
            done
            rm -rf "$folder"
            mv "$folder.part" "$folder"
            say "ok  $folder (sizes; the checksum covers only the archive)"
            return
        fi
        [ -e "$from/$cifar10_archive" ] || fail 3 "$from: there is no test_batch.bin, here or in cifar10/, and no $cifar10_archive"
        cp -- "$from/$cifar10_archive" "$archive"
    elif [ ! -e "$archive" ]; then
        download "$CIFAR10_URLS" "$cifar10_archive" "$archive" ||
            fail 4 "$cifar10_archive could not be downloaded; --from FOLDER takes a local copy"
    fi
    if [ "$(md5sum <"$archive" | cut -d ' ' -f 1)" != "$cifar10_md5" ]; then
        rm -f "$archive"
        fail 3 "$cifar10_archive: what came is not CIFAR-10's archive (MD5 differs)"
    fi
    rm -rf "$folder.part"
    mkdir "$folder.part"
    tar -xzf "$archive" -C "$folder.part" --strip-components=1
    cifar10_layout "$folder.part"
    rm -rf "$folder"
    mv "$folder.part" "$folder"
    rm -f "$archive"
    say "ok  $folder"
}

from=
to=${RISTRETTO_DATA:-data}
sets=
while [ $# -gt 0 ]; do
    case $1 in
    --from | --to)
        [ $# -ge 2 ] || fail 2 "$1 needs a folder"
        if [ "$1" = --from ]; then from=$2; else to=$2; fi
        shift
        ;;
    --from=*) from=${1#--from=} ;;
    --to=*) to=${1#--to=} ;;
    mnist | cifar10) sets="$sets $1" ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        fail 2 "unknown argument '$1', expected mnist or cifar10"
        ;;
    esac
    shift
done
[ -z "$from" ] || [ -d "$from" ] || fail 3 "$from: there is no such folder"
for set in ${sets:-mnist cifar10}; do
    "fetch_$set"
done
