[0004]                   Signature : "SRAT"
[0004]                Table Length : 0000006E
[0001]                    Revision : 03
[0001]                    Checksum : FF
[0006]                      Oem ID : "VGRAFT"
[0008]                Oem Table ID : "SAMPLE"
[0004]                Oem Revision : 04030201
[0004]             Asl Compiler ID : "VGFT"
[0004]       Asl Compiler Revision : 08070605
[0004]              Table Revision : 00000001
[0008]                    Reserved : 0000000000000000

[0001]               Subtable Type : 03
[0001]                      Length : 12
[0004]            Proximity Domain : 03020101
[0004]          Acpi Processor UID : 03020102
[0004]       Flags (decoded below) : 00000001
                                     Enabled : 1
[0004]                Clock Domain : 03020103

[0001]               Subtable Type : 04
[0001]                      Length : 0C
[0004]            Proximity Domain : 03020104
[0002]                    Reserved : 0000
[0004]                      ITS ID : 03020105

[0001]               Subtable Type : 05
[0001]                      Length : 20
[0001]                   Reserved1 : 00
[0001]          Device Handle Type : 01
[0004]            Proximity Domain : 03020106
[0010]               Device Handle : 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16
[0004]       Flags (decoded below) : 00000001
                                     Enabled : 1
                  Architectural Transactions : 0
[0004]                   Reserved2 : 00000000
