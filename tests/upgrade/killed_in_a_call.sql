-- What a server of schema 5 (2026-11-29) left when it was killed in the middle of a call, as it had written it: a guest who
-- waited longer (resume token gR1Fg2BYKKj8ymPh-AtztbVRgAyDCq8QUEhPU3xPFklnX2tfaFBBamZhczF2ODBydjZYSGhLb0E),
-- the other one (7v2Rb4GxhXunfQV5IqGmVsVHl3l0wwDlEm3k2ZSet0pnX1A4MnBHTVplQ1hxaEJRdTdrWjlHcmc),
-- one message with a reaction and a receipt. The call began at 1795947181883; whoever reads this in shifts all times.
INSERT INTO "conversation" VALUES(1,'vta2F6UcnRXByFE2QX8G1A',0);
INSERT INTO "family" VALUES(X'497AFA1E0E6C6E95E2F6CEF82C2110AB','lbFXdpRoawBe3Fke','{"user":"g_k_hPAjfas1v80rv6XHhKoA","role":"user","guest":true,"device":"device-a-upgrade","age_band":null}',X'F7A36454EFD566EA9D98CA4C6BB1419A365A50976AB155F4A48B3E85FB5CAB6C',1798539181880,NULL);
INSERT INTO "family" VALUES(X'9672B060BA2155AFF69459DFCB273016','MO_r-u9DkV__V-PW','{"user":"g_P82pGMZeCXqhBQu7kZ9Grg","role":"user","guest":true,"device":"device-b-upgrade","age_band":null}',X'A5AD899E42AF454E408FDFE42D29B3ADFEACD42C2FAD2771966CE936DC3C4D23',1798539181882,NULL);
INSERT INTO "meeting" VALUES('g_P82pGMZeCXqhBQu7kZ9Grg','g_k_hPAjfas1v80rv6XHhKoA',1795947181883);
INSERT INTO "message" VALUES(1,X'01A226CB373C7000A00F5ABFF6E150B6','yQdnNTwFdcLK',X'6F2B1B1E62F54A539A52000000000001',1795947181884,0,0,'line 1',NULL,NULL);
INSERT INTO "reaction" VALUES(1,X'01A226CB373C7000A00F5ABFF6E150B6','6LygknfxHI_n','👍');
INSERT INTO "receipt" VALUES(1,'6LygknfxHI_n',X'',X'01A226CB373C7000A00F5ABFF6E150B6');
INSERT INTO "resumption" VALUES('g_P82pGMZeCXqhBQu7kZ9Grg',X'07C542E00D31BBCCC6FEC03A608682734A70FE271823614BAF0A0EB36CFEBEF8',NULL,'{"subject":{"user":"g_P82pGMZeCXqhBQu7kZ9Grg","role":"user","guest":true,"device":"device-b-upgrade","age_band":null},"expires":1795947481000,"family":"MO_r-u9DkV__V-PW"}');
INSERT INTO "resumption" VALUES('g_k_hPAjfas1v80rv6XHhKoA',X'C0E4FAEEFF9FE76110AC0396912D0C7F51443DE9F00E92A19D767DCA40B5DF15',NULL,'{"subject":{"user":"g_k_hPAjfas1v80rv6XHhKoA","role":"user","guest":true,"device":"device-a-upgrade","age_band":null},"expires":1795947481000,"family":"lbFXdpRoawBe3Fke"}');
INSERT INTO "session" VALUES(1,'g_k_hPAjfas1v80rv6XHhKoA','device-a-upgrade','yQdnNTwFdcLK','g_P82pGMZeCXqhBQu7kZ9Grg','device-b-upgrade','6LygknfxHI_n',1795947181883,300000,'{"tags_common":["upgrade"],"language":null,"preferences":[{"mode":"video","tags":["upgrade"],"languages":[],"region":null,"attrs":{},"want":{},"tag_wait_ms":null},{"mode":"video","tags":["upgrade"],"languages":[],"region":null,"attrs":{},"want":{},"tag_wait_ms":null}]}',1795947481883,NULL,1795947781000,NULL,NULL,NULL,0);
