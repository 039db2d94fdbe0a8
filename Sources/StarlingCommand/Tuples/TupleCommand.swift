import ArgumentParser

struct TupleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tuple", abstract: "Write, read, take, count and watch tuples, by single commands or in a shell.",
        discussion: """
            A tuple is a JSON array of 1 to 64 values: JSON's own, and {"bytes":"base64"}, {"symbol":"x"}, \
            {"map":{…}}, {"int":"…"}. \
            A template is an array with as many fields, each a value, null (any), {"type":"string"}, {"range":[a,b]}, \
            {"range":[a,b],"open":true} (without b), {"prefix":"…"} or {"regex":"…"}.

              starling tuple write jobs '["resize","photo-17",1.5]'
              starling tuple read jobs '["resize",null,{"type":"number"}]'
              starling tuple take jobs '["resize",null,null]' --timeout 30
              starling tuple read-all blog '[null,"distsys",null]' --newest --limit 10
              starling tuple count blog '["alice",null,null]'
              starling tuple watch jobs
              starling tuple spaces
              starling tuple shell blog     asks for one command after the other, with history and completion
            """,
        subcommands: [
            OnCommandLine<WriteRequest>.self, OnCommandLine<ReadRequest>.self, OnCommandLine<TakeRequest>.self,
            OnCommandLine<ReadAllRequest>.self, OnCommandLine<TakeAllRequest>.self, OnCommandLine<CountRequest>.self,
            OnCommandLine<WatchRequest>.self, OnCommandLine<RenewRequest>.self, OnCommandLine<ReplaceRequest>.self,
            OnCommandLine<DeleteRequest>.self, TupleRunCommand.self, TupleSpacesCommand.self,
            TupleShellCommand.self,
        ])
}
