"""A part of MongoDB's wire protocol in front of mongomock, for tests.

    mongo_front.py PORT

It knows the commands that drivers say when they connect, and those of one collection: insert, find, update, delete,
findAndModify, createIndexes, listIndexes, getMore. One command is carried out at a time. It is not MongoDB: it shows that two
drivers mean the same documents, and nothing of what a server does by itself (its TTL monitor, write concern, replicas).
mongomock does drop a document when its TTL index says so and somebody looks.
"""

import datetime
import socketserver
import struct
import sys
import threading

import bson
import mongomock
from bson.codec_options import CodecOptions

HELLO = {
    "helloOk": True,
    "isWritablePrimary": True,
    "ismaster": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48000000,
    "maxWriteBatchSize": 100000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
}
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
CODEC = CodecOptions(tz_aware=False)
DUPLICATE = 11000

client = mongomock.MongoClient()
lock = threading.Lock()


def carry_out(command):
    name = next(iter(command))
    action = COMMANDS.get(name)
    if action is None:
        return {"ok": 0, "code": 59, "codeName": "CommandNotFound", "errmsg": f"no such command: {name}"}
    try:
        collection = None
        if isinstance(command[name], str):
            collection = client[command.get("$db", "admin")][command[name]]
        with lock:
            return {**action(collection, command), "ok": 1}
    except mongomock.DuplicateKeyError as error:
        return {"ok": 0, "code": DUPLICATE, "codeName": "DuplicateKey", "errmsg": str(error)}


def hello(collection, command):
    return {**HELLO, "localTime": datetime.datetime.utcnow()}


def nothing(collection, command):
    return {}


def insert(collection, command):
    errors = []
    for index, document in enumerate(command["documents"]):
        try:
            collection.insert_one(document)
        except mongomock.DuplicateKeyError as error:
            errors.append({"index": index, "code": DUPLICATE, "errmsg": str(error)})
    return {"n": len(command["documents"]) - len(errors), **({"writeErrors": errors} if errors else {})}


def update(collection, command):
    found = changed = 0
    upserted, errors = [], []
    for index, one in enumerate(command["updates"]):
        act = collection.update_many if one.get("multi") else collection.update_one
        if not any(key.startswith("$") for key in one["u"]):
            act = collection.replace_one
        try:
            done = act(one["q"], one["u"], upsert=one.get("upsert", False))
        except mongomock.DuplicateKeyError as error:
            errors.append({"index": index, "code": DUPLICATE, "errmsg": str(error)})
            continue
        found += done.matched_count
        changed += done.modified_count or 0
        if done.upserted_id is not None:
            found += 1
            upserted.append({"index": index, "_id": done.upserted_id})
    answer = {"n": found, "nModified": changed}
    if upserted:
        answer["upserted"] = upserted
    if errors:
        answer["writeErrors"] = errors
    return answer


def delete(collection, command):
    count = 0
    for one in command["deletes"]:
        act = collection.delete_one if one.get("limit") else collection.delete_many
        count += act(one["q"]).deleted_count
    return {"n": count}


def find_and_modify(collection, command):
    query, sort = command.get("query", {}), list(command.get("sort", {}).items()) or None
    fields = command.get("fields")
    if command.get("remove"):
        return {"value": collection.find_one_and_delete(query, fields, sort=sort)}
    after = mongomock.collection.ReturnDocument.AFTER if command.get("new") else None
    value = collection.find_one_and_update(
        query,
        command["update"],
        fields,
        sort=sort,
        upsert=command.get("upsert", False),
        return_document=after or mongomock.collection.ReturnDocument.BEFORE,
    )
    return {"value": value}


def find(collection, command):
    cursor = collection.find(command.get("filter", {}), command.get("projection") or None)
    if command.get("sort"):
        cursor = cursor.sort(list(command["sort"].items()))
    cursor = cursor.skip(command.get("skip", 0)).limit(abs(command.get("limit", 0)))
    return batch(collection, list(cursor))


def batch(collection, documents):
    place = f"{collection.database.name}.{collection.name}"
    return {"cursor": {"id": bson.Int64(0), "ns": place, "firstBatch": documents}}


def create_indexes(collection, command):
    for index in command["indexes"]:
        options = {key: index[key] for key in ("unique", "expireAfterSeconds", "name") if key in index}
        collection.create_index(list(index["key"].items()), **options)
    return {}


def list_indexes(collection, command):
    indexes = []
    for name, index in collection.index_information().items():
        options = {key: index[key] for key in ("unique", "expireAfterSeconds") if key in index}
        indexes.append({"v": 2, "key": dict(index["key"]), "name": name, **options})
    return batch(collection, indexes)


COMMANDS = {
    "hello": hello,
    "isMaster": hello,
    "ismaster": hello,
    "ping": nothing,
    "endSessions": nothing,
    "buildInfo": lambda collection, command: {"version": "7.0.0", "versionArray": [7, 0, 0, 0]},
    "insert": insert,
    "update": update,
    "delete": delete,
    "find": find,
    "findAndModify": find_and_modify,
    "createIndexes": create_indexes,
    "listIndexes": list_indexes,
    "drop": lambda collection, command: collection.drop() or {},
}


class Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        while head := self.rfile.read(16):
            length, request, _, code = struct.unpack("<iiii", head)
            body = self.rfile.read(length - 16)
            if code == OP_QUERY:
                # flags, the collection's name, skip, limit; then the command
                start = body.index(b"\0", 4) + 1 + 8
                answer = carry_out(bson.decode(body[start:], CODEC))
                answer = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer)
                self.send(OP_REPLY, request, answer)
            elif code == OP_MSG:
                flags, command = self.message(body)
                answer = carry_out(command)
                # A sender that says "more to come" waits for no answer.
                if not flags & 2:
                    self.send(OP_MSG, request, struct.pack("<iB", 0, 0) + bson.encode(answer))

    def message(self, body):
        """The command, with the documents that travel beside it put back where they belong."""
        (flags,) = struct.unpack_from("<I", body)
        at, end, command, beside = 4, len(body) - (4 if flags & 1 else 0), {}, {}
        while at < end:
            kind, (size,) = body[at], struct.unpack_from("<i", body, at + 1)
            section = body[at + 1 : at + 1 + size]
            at += 1 + size
            if kind == 0:
                command = bson.decode(section, CODEC)
            else:
                name = section[4 : section.index(b"\0", 4)]
                beside[name.decode()] = bson.decode_all(section[4 + len(name) + 1 :], CODEC)
        return flags, {**command, **beside}

    def send(self, code, request, body):
        self.wfile.write(struct.pack("<iiii", 16 + len(body), 0, request, code) + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Connection).serve_forever()
